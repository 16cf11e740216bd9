"""python -m users.admin."""

import pytest

from shared.embedded import EmbeddedValkey
from shared.pages import Page
from shared.testing.programs import started
from users.admin import set_admin


async def run(environment, *arguments):
    command = await started("-m", "users.admin", *arguments, environment=environment, apart=True)
    out, err = await command.communicate()
    return command.returncode, out.decode(), err.decode()


async def test_it_makes_an_administrator_and_takes_it_back(environment, person, admin, refused):
    code, out, err = await run(environment, "grant", f" {person.email.upper()} ")
    assert (code, out, err) == (0, f"{person.email} is an administrator now\n", "")
    again = await person.again()
    assert (await again.ask("GET", "/users")).status_code == 200
    code, out, err = await run(environment, "revoke", person.email)
    assert (code, out, err) == (0, f"{person.email} is not an administrator now\n", "")
    await refused(again)


async def test_an_unknown_email_is_one_clear_line(environment):
    code, out, err = await run(environment, "grant", "nobody@example.com")
    assert (code, out, err) == (1, "", "There is no account with the email 'nobody@example.com'.\n")


@pytest.mark.parametrize("email", ["no email", "", "a\x00b@example.com", "a\udcffb@example.com"], ids=ascii)
async def test_what_is_no_email_is_an_unknown_one(settings, email):
    with pytest.raises(SystemExit, match="There is no account with the email"):
        await set_admin(settings, email, admin=True)


async def test_a_wrong_setting_is_one_clear_line(environment, person):
    code, _, err = await run({**environment, "USERS_SIGNING_KEY": "x"}, "grant", person.email)
    assert (code, err.count("\n")) == (1, 1)
    assert "USERS_SIGNING_KEY" in err


async def test_without_postgres_it_says_so(settings, person):
    elsewhere = settings.model_copy(
        update={"database_url": "postgresql+asyncpg://users@/users?host=/nowhere"}
    )
    with pytest.raises(SystemExit, match="Database unavailable"):
        await set_admin(elsewhere, person.email, admin=True)


async def test_without_tables_it_says_so(settings, make_database, person):
    given = make_database("users_without_tables")
    empty = type(settings)(**{**settings.model_dump(), **given})
    with pytest.raises(SystemExit, match="is it migrated"):
        await set_admin(empty, person.email, admin=True)


async def test_without_redis_it_can_grant_but_not_revoke(settings, people, admin, tmp_path):
    gone = EmbeddedValkey(tmp_path, "x", tmp_path / "log")
    without = settings.model_copy(update={"redis_url": gone.url})
    person = await people.sign_up()
    assert (await set_admin(without, person.email, admin=True)).is_admin
    with pytest.raises(SystemExit, match="nothing has changed"):
        await set_admin(without, person.email, admin=False)
    assert (await (await person.again()).ask("GET", "/users")).status_code == 200


async def test_the_last_administrator_stays(settings, admins, store, admin):
    async with store.transaction() as tx:
        everyone = (await tx.users.page(Page(limit=1_000_000))).rows
    others = [user for user in everyone if user.is_admin and user.is_active and user.id != admin.id]
    for user in others:
        await set_admin(settings, user.email, admin=False)
    with pytest.raises(SystemExit, match="last active administrator"):
        await set_admin(settings, admin.email, admin=False)
