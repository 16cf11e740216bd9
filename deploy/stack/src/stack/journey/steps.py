"""The journey, step by step."""

from decimal import Decimal
from http import HTTPStatus

from stack.journey.client import JourneyClient
from stack.journey.diamonds import Diamond

REVOCATION = 2.0  # seconds; an ended session is known everywhere within one
PLAUSIBLE = Decimal(2)  # an estimate further from the real price than this factor is not plausible


async def run_steps(person: JourneyClient, diamond: Diamond) -> None:
    """Raises StepFailed at the first step that fails."""
    await person.ask("Is it alive?", "GET", "/health", expect=HTTPStatus.OK)
    await sign_up(person)
    item_id = await list_diamond(person, diamond)
    await look_around(person, item_id)
    await appraise(person, diamond, item_id)
    await use_api_key(person)
    await be_refused(person, diamond)
    await log_out(person)


async def sign_up(person: JourneyClient) -> None:
    account = {"email": person.email, "name": "Ada", "password": person.password}
    await person.ask("Sign up", "POST", "/users", expect=HTTPStatus.CREATED, json=account)
    await person.ask(
        "Get a token",
        "POST",
        "/auth/token",
        expect=HTTPStatus.OK,
        keep={"TOKEN": "access_token"},
        data={"username": person.email, "password": person.password},
    )
    me = await person.ask("Who am I?", "GET", "/users/me", expect=HTTPStatus.OK, headers=person.bearer())
    person.claim("Who am I?", holds=me["email"] == person.email, otherwise="somebody else")


async def list_diamond(person: JourneyClient, diamond: Diamond) -> int:
    listed = await person.ask(
        "List a real diamond",
        "POST",
        "/items",
        expect=HTTPStatus.CREATED,
        headers=person.bearer(),
        json=diamond.listing,
    )
    return int(listed["id"])


async def look_around(person: JourneyClient, item_id: int) -> None:
    """Needs no token."""
    title = "Browse: whoever comes by may look"
    await person.ask(
        title, "GET", "/items", expect=HTTPStatus.OK, params={"limit": 3}, show=("X-Total-Count",)
    )
    read = await person.ask("Read one listing", "GET", f"/items/{item_id}", expect=HTTPStatus.OK)
    person.claim("Read one listing", holds=read["id"] == item_id, otherwise="another listing came")


async def appraise(person: JourneyClient, diamond: Diamond, item_id: int) -> None:
    title = "Have it appraised"
    path = f"/items/{item_id}/appraisal"
    appraisal = await person.ask(title, "POST", path, expect=HTTPStatus.OK, headers=person.bearer())
    estimate, real = Decimal(str(appraisal["estimate"])), Decimal(diamond.price)
    ratio = estimate / real
    person.remark(f"estimated ${estimate:,.2f}; really sold for ${real:,.2f} ({ratio - 1:+.1%})")
    close = 1 / PLAUSIBLE < ratio < PLAUSIBLE
    person.claim(title, holds=close, otherwise=f"{estimate} for a diamond that sold for {real}")
    title = "Ask the model directly"
    answer = await person.ask(
        title,
        "POST",
        "/predict",
        expect=HTTPStatus.OK,
        headers=person.bearer(),
        json={"instances": [diamond.features]},
    )
    same = Decimal(str(answer["predictions"][0]["estimate"])) == estimate
    person.claim(title, holds=same, otherwise="another estimate than the appraisal's")


async def use_api_key(person: JourneyClient) -> None:
    await person.ask(
        "Make an API key, shown this once",
        "POST",
        "/users/me/api-keys",
        expect=HTTPStatus.CREATED,
        keep={"API_KEY": "key"},
        headers=person.bearer(),
        json={"name": "laptop"},
    )
    title = "Use it instead of a token"
    headers = {"X-API-Key": person.variables["API_KEY"]}
    me = await person.ask(title, "GET", "/users/me", expect=HTTPStatus.OK, headers=headers)
    person.claim(title, holds=me["email"] == person.email, otherwise="somebody else")


async def be_refused(person: JourneyClient, diamond: Diamond) -> None:
    await person.ask(
        "Refused: no token", "POST", "/items", expect=HTTPStatus.UNAUTHORIZED, json=diamond.listing
    )
    title = "Refused: a clarity that does not exist"
    problem = await person.ask(
        title,
        "POST",
        "/predict",
        expect=HTTPStatus.UNPROCESSABLE_ENTITY,
        headers=person.bearer(),
        json={"instances": [{**diamond.features, "clarity": "GLASSY"}]},
    )
    named = any("clarity" in error["loc"] for error in problem["errors"])
    person.claim(title, holds=named, otherwise="the field is not named")


async def log_out(person: JourneyClient) -> None:
    bearer = person.bearer()
    await person.ask("Log out", "POST", "/auth/logout", expect=HTTPStatus.NO_CONTENT, headers=bearer)
    await person.ask(
        "The token is dead",
        "GET",
        "/users/me",
        expect=HTTPStatus.UNAUTHORIZED,
        within=REVOCATION,
        headers=bearer,
    )
