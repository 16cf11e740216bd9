"""What a right answer looks like, route by route; whatever differs is a failure of the system under load."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

BRIEF = "Soon withdrawn"  # the name of a listing that is about to go, so that nobody else relies on it


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is the parsed JSON, None when there was none."""

    status: int
    headers: Mapping[str, str]
    body: Any


class WrongAnswer(Exception):
    """Says what was wrong, without ids or values: failures are counted by what they say."""


def has_status(answer: Answer, status: int) -> None:
    if answer.status != status:
        code = answer.body.get("code") if isinstance(answer.body, dict) else None
        raise WrongAnswer(f"{answer.status} instead of {status}" + (f" ({code})" if code else ""))


def is_account(answer: Answer, email: str) -> None:
    has_status(answer, 201)
    _same(_member(answer.body, "email", str), email, "email")
    _member(answer.body, "id", int)
    if isinstance(answer.body, dict) and any("password" in name for name in answer.body):
        raise WrongAnswer("the answer shows a password")


def is_tokens(answer: Answer) -> None:
    has_status(answer, 200)
    _same(_member(answer.body, "token_type", str).lower(), "bearer", "token_type")
    if not _member(answer.body, "access_token", str) or not _member(answer.body, "refresh_token", str):
        raise WrongAnswer("an empty token")
    if _member(answer.body, "expires_in", int) <= 0:
        raise WrongAnswer("expires_in is not positive")


def is_page(answer: Answer, query: Mapping[str, Any]) -> None:
    """At most `limit` items, the total beside them, every filter and the order kept."""
    has_status(answer, 200)
    if not isinstance(answer.body, list):
        raise WrongAnswer("no list")
    if len(answer.body) > int(query["limit"]):
        raise WrongAnswer("more items than the limit")
    total = answer.headers.get("x-total-count", "")
    if not total.isdecimal() or int(total) < len(answer.body):
        raise WrongAnswer("X-Total-Count is not the total")
    for item in answer.body:
        _fits(item, query)
    if query.get("sort") in {"price", "-price"}:
        prices = [_price(item) for item in answer.body]
        if prices != sorted(prices, reverse=query["sort"] == "-price"):
            raise WrongAnswer("not in the order asked for")


def _fits(item: Any, query: Mapping[str, Any]) -> None:
    _member(item, "id", int)
    for category in ("cut", "color", "clarity"):
        if category in query:  # other gems than diamonds have no features, and fit no such filter
            features = _member(item, "features", dict)
            _same(_member(features, category, str), query[category], f"{category} filter")
    price = _price(item)
    if "min_price" in query and price < Decimal(query["min_price"]):
        raise WrongAnswer("below min_price")
    if "max_price" in query and price > Decimal(query["max_price"]):
        raise WrongAnswer("above max_price")


def is_item(answer: Answer, item_id: int) -> None:
    has_status(answer, 200)
    _same(_member(answer.body, "id", int), item_id, "id")
    _member(answer.body, "name", str)
    _price(answer.body)


def is_listed(answer: Answer, sent: Mapping[str, Any]) -> None:
    has_status(answer, 201)
    _member(answer.body, "id", int)
    _same(_price(answer.body), Decimal(sent["price"]), "price")
    _same(_member(answer.body, "name", str), sent["name"], "name")
    features = _member(answer.body, "features", dict)
    for name, value in sent["features"].items():
        _same(features.get(name), value, f"features.{name}")


def is_appraisal(answer: Answer, item_id: int) -> None:
    """The estimate is positive and stands in its own range."""
    has_status(answer, 200)
    _same(_member(answer.body, "item_id", int), item_id, "item_id")
    low, estimate, high = (_money(answer.body, name) for name in ("low", "estimate", "high"))
    if not 0 <= low <= estimate <= high or estimate == 0:
        raise WrongAnswer("the estimate is not within low and high")
    _member(answer.body, "currency", str)
    if not answer.body.get("model"):
        raise WrongAnswer("no model named")


def _member(body: Any, name: str, kind: type) -> Any:
    if not isinstance(body, dict) or not isinstance(body.get(name), kind) or isinstance(body[name], bool):
        raise WrongAnswer(f"no {name}")
    return body[name]


def _same(got: Any, wanted: Any, what: str) -> None:
    if got != wanted:
        raise WrongAnswer(f"another {what}")


def _price(item: Any) -> Decimal:
    return _money(item, "price")


def _money(body: Any, name: str) -> Decimal:
    """Money comes as a string or a number; either is read as a decimal."""
    try:
        amount = Decimal(str(body[name]))
    except (InvalidOperation, KeyError, TypeError):
        raise WrongAnswer(f"no {name}") from None
    if not amount.is_finite():
        raise WrongAnswer(f"no {name}")
    return amount
