"""Mail with tokens that are good once: to verify an email, to change it, to set a new password."""

import asyncio
from datetime import timedelta
from email import message_from_bytes

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from shared.testing import served
from users import email_tokens, mailer
from users.clock import utc_now
from users.main import create_app
from users.tables import email_tokens as table
from users.tables import users

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
PASSWORD = "correct horse battery staple"
NEW = "another long password"


class AnyPort(Controller):
    def _trigger_server(self):
        """aiosmtpd asks the port that it was given whether it listens; 0 is none."""
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class Sink:
    """A real SMTP server that keeps what it gets, and may refuse the first attempts."""

    def __init__(self):
        self.mails = []
        self.attempts = self.refusals = 0
        self.refusal = "451 try again"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd calls it so
        self.attempts += 1
        if self.refusals:
            self.refusals -= 1
            return self.refusal
        parsed = message_from_bytes(envelope.content)
        text = parsed.get_payload(decode=True).decode()
        self.mails.append((envelope.rcpt_tos, parsed["From"], parsed["Subject"], text))
        return "250 kept"

    def to(self, email):
        return [mail for mail in self.mails if mail[0] == [email]]


@pytest.fixture
def sink():
    def accept(server, session, envelope, mechanism, given):
        right = isinstance(given, LoginPassword) and (given.login, given.password) == (b"facet", b"hush")
        return AuthResult(success=right)

    kept = Sink()
    controller = AnyPort(
        kept, hostname="127.0.0.1", port=0, authenticator=accept, auth_required=True, auth_require_tls=False
    )
    controller.start()
    kept.port = controller.port
    yield kept
    controller.stop()


@pytest.fixture
def mailing(settings, sink):
    """Settings of a service that sends to the sink."""
    return settings.model_copy(
        update={
            "mail": "smtp",
            "mail_port": sink.port,
            "mail_starttls": False,
            "mail_username": "facet",
            "mail_password": type(settings.signing_key)("hush"),
            "mail_link": "https://shop.example/{purpose}?token={token}",
        }
    )


@pytest.fixture
async def live(mailing):
    async with served(create_app(mailing)) as opened:
        yield opened.client


@pytest.fixture
async def ada(people, live):
    return await type(people)(live, None).sign_up()


@pytest.fixture
def received(sink, eventually):
    """`await received(email)`: the token of the last of that many mails."""

    async def wait(email, number=1):
        await eventually(lambda: len(sink.to(email)), number)
        return sink.to(email)[-1][3].partition("token=")[2].split()[0]

    return wait


async def forgotten(client, email):
    return await client.post("/auth/password/forgotten", json={"email": email})


async def reset(client, token, password=NEW):
    return await client.post("/auth/password/reset", json={"token": token, "password": password})


async def confirm(client, token):
    return await client.post("/auth/email/confirm", json={"token": token})


async def test_a_forgotten_password_is_set_anew_and_ends_all_sessions(live, ada, sink, received, refused):
    other = await ada.again()
    answer = await forgotten(live, f" {ada.email.upper()} ")
    assert (answer.status_code, answer.content) == (202, b"null")
    token = await received(ada.email)
    _, sender, subject, text = sink.to(ada.email)[0]
    assert (sender, subject) == ("Facet <no-reply@facet.example>", "Set a new password")
    assert "https://shop.example/reset?token=" in text
    assert (await reset(live, token)).status_code == 204
    for one in (ada, other):
        await refused(one)
        assert (await one.refresh()).status_code == 401
    assert (await ada.sign_in()).status_code == 401
    assert (await ada.sign_in(NEW)).status_code == 200


async def test_a_token_is_good_once_even_for_two_at_once(live, ada, received):
    await forgotten(live, ada.email)
    token = await received(ada.email)
    answers = await asyncio.gather(*(reset(live, token, f"{NEW} {number}") for number in range(3)))
    assert sorted(answer.status_code for answer in answers) == [204, 422, 422]
    assert {a.json()["code"] for a in answers if a.status_code == 422} == {"invalid_email_token"}


async def test_a_token_expires(live, ada, received, store, database):
    await forgotten(live, ada.email)
    token = await received(ada.email)
    async with database.transaction() as connection:
        past = utc_now() - timedelta(seconds=1)
        await connection.execute(table.update().where(table.c.user_id == ada.id).values(expires_at=past))
    assert (await reset(live, token)).json()["code"] == "invalid_email_token"
    assert (await ada.sign_in()).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "x" * 512, "\u0000", "💎"])
async def test_an_invented_token_is_422(live, token):
    for answer in (await reset(live, token), await confirm(live, token)):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_email_token")


async def test_a_common_password_is_refused_and_the_token_stays_good(live, ada, received):
    await forgotten(live, ada.email)
    token = await received(ada.email)
    assert (await reset(live, token, "password1")).json()["code"] == "password_too_common"
    assert (await reset(live, token)).status_code == 204


async def test_a_token_is_good_for_its_purpose_only(live, ada, received):
    await forgotten(live, ada.email)
    token = await received(ada.email)
    assert (await confirm(live, token)).status_code == 422


async def test_only_a_digest_of_a_token_is_stored(live, ada, received, store, database):
    await forgotten(live, ada.email)
    token = await received(ada.email)
    async with database.transaction() as connection:
        [row] = await connection.execute(table.select().where(table.c.user_id == ada.id))
    assert token not in str(row)


async def test_nobody_learns_which_emails_have_accounts(live, ada, sink, received, alter):
    inactive = "nobody-at-all@example.com"
    answers = [await forgotten(live, email) for email in (ada.email, inactive)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b"null")}
    await received(ada.email)
    assert len(sink.mails) == 1


async def test_mail_comes_once_a_minute(live, ada, people, received, monkeypatch):
    for _ in range(3):
        assert (await forgotten(live, ada.email)).status_code == 202
    other = await type(people)(live, None).sign_up()
    await forgotten(live, other.email)
    await received(other.email)  # so the three before it are done
    first = await received(ada.email)
    monkeypatch.setattr(email_tokens, "AGAIN", timedelta(0))
    await forgotten(live, ada.email)
    second = await received(ada.email, 2)
    assert (await reset(live, first)).status_code == 422, "a new token replaces the old one"
    assert (await reset(live, second)).status_code == 204


async def test_an_email_changes_when_the_new_one_is_confirmed(live, ada, people, sink, received, eventually):
    new = people.account()["email"]
    wanted = {"email": new.upper(), "current_password": PASSWORD}
    assert (await ada.ask("POST", "/users/me/email", json=wanted)).status_code == 202
    token = await received(new)
    assert (await ada.ask("GET", "/users/me")).json()["email"] == ada.email, "not before"
    assert (await confirm(live, token)).status_code == 204
    me = (await ada.ask("GET", "/users/me")).json()
    assert (me["email"], me["email_verified"]) == (new, True)
    await eventually(lambda: [mail[2] for mail in sink.to(ada.email)], ["Your email was changed"])
    assert (await ada.sign_in()).status_code == 401
    ada.email = new
    assert (await ada.sign_in()).status_code == 200
    assert (await confirm(live, token)).status_code == 422


async def test_an_email_change_needs_the_password_a_session_and_a_free_email(ada, people, live):
    stranger = await type(people)(live, None).sign_up()
    new = people.account()["email"]
    for wanted, code in (
        ({"email": new, "current_password": "wrong"}, "wrong_password"),
        ({"email": stranger.email, "current_password": PASSWORD}, "email_taken"),
        ({"email": "nobody", "current_password": PASSWORD}, "validation_error"),
        ({"email": new}, "validation_error"),
    ):
        assert (await ada.ask("POST", "/users/me/email", json=wanted)).json()["code"] == code
    key = await ada.with_key()
    wanted = {"email": new, "current_password": PASSWORD}
    assert (await key.ask("POST", "/users/me/email", json=wanted)).json()["code"] == "session_required"


async def test_an_email_that_was_taken_meanwhile_is_409(live, ada, people, received):
    new = people.account()["email"]
    await ada.ask("POST", "/users/me/email", json={"email": new, "current_password": PASSWORD})
    token = await received(new)
    await type(people)(live, None).sign_up(email=new)
    answer = await confirm(live, token)
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


async def asked_change(ada, people, received):
    """The token of a change of ada's email that somebody who knows her password has asked for."""
    new = people.account()["email"]
    await ada.ask("POST", "/users/me/email", json={"email": new, "current_password": PASSWORD})
    return await received(new)


async def test_a_new_password_withdraws_a_change_of_the_email(live, ada, people, received):
    token = await asked_change(ada, people, received)
    wanted = {"password": NEW, "current_password": PASSWORD}
    assert (await ada.ask("PATCH", "/users/me", json=wanted)).status_code == 200
    assert (await confirm(live, token)).json()["code"] == "invalid_email_token"
    assert (await ada.sign_in(NEW)).status_code == 200


async def test_a_change_asked_for_with_a_password_that_is_another_one_now_is_not_sent(
    live, ada, people, received, sink, store
):
    new = people.account()["email"]
    async with store.transaction() as tx:
        await tx.users.lock(ada.id)  # the mail waits to be written
        wanted = {"email": new, "current_password": PASSWORD}
        assert (await ada.ask("POST", "/users/me/email", json=wanted)).status_code == 202
        await tx.users.update(ada.id, {"password_hash": "of a new one"})
    await forgotten(live, ada.email)
    await received(ada.email)
    assert sink.to(new) == []


async def test_a_reset_password_withdraws_a_change_of_the_email(live, ada, people, received):
    token = await asked_change(ada, people, received)
    await forgotten(live, ada.email)
    assert (await reset(live, await received(ada.email))).status_code == 204
    assert (await confirm(live, token)).json()["code"] == "invalid_email_token"


async def test_a_new_password_withdraws_a_token_that_was_sent_for_a_forgotten_one(live, ada, received):
    await forgotten(live, ada.email)
    token = await received(ada.email)
    wanted = {"password": NEW, "current_password": PASSWORD}
    assert (await ada.ask("PATCH", "/users/me", json=wanted)).status_code == 200
    assert (await reset(live, token, "yet another password")).json()["code"] == "invalid_email_token"


async def test_a_password_that_changes_while_a_token_is_used_waits_for_it(
    live, ada, people, received, held_up
):
    token = await asked_change(ada, people, received)
    wanted = {"password": NEW, "current_password": PASSWORD}
    changing = ada.ask("PATCH", "/users/me", json=wanted)
    changed, confirmed = await held_up(users, ada.id, changing, confirm(live, token))
    assert changed.status_code == 200
    assert confirmed.status_code in {204, 422}


async def test_where_it_is_required_nobody_signs_in_with_an_unverified_email(mailing, people, received, sink):
    strict = mailing.model_copy(update={"verify_email": "required"})
    async with served(create_app(strict)) as live:
        account = people.account()
        made = (await live.client.post("/users", json=account)).json()
        assert made["email_verified"] is False
        form = {"username": account["email"], "password": account["password"]}
        answer = await live.client.post("/auth/token", data=form)
        assert (answer.status_code, answer.json()["code"]) == (403, "email_not_verified")
        wrong = await live.client.post("/auth/token", data={**form, "password": "wrong"})
        assert wrong.json()["code"] == "invalid_credentials"
        assert (await confirm(live.client, await received(account["email"]))).status_code == 204
        assert (await live.client.post("/auth/token", data=form)).status_code == 200


async def test_a_verification_can_be_asked_for_again(mailing, people, received, monkeypatch, sink):
    monkeypatch.setattr(email_tokens, "AGAIN", timedelta(0))
    async with served(create_app(mailing.model_copy(update={"verify_email": "optional"}))) as live:
        ada = await type(people)(live.client, None).sign_up()
        await received(ada.email)
        await live.client.post("/auth/email/verification", json={"email": ada.email})
        assert (await confirm(live.client, await received(ada.email, 2))).status_code == 204
        assert (await ada.ask("GET", "/users/me")).json()["email_verified"] is True


async def test_a_verification_of_an_email_that_was_left_changes_nothing(mailing, people, received, alter):
    """Else the mail to the old address would move the account back to it."""
    async with served(create_app(mailing.model_copy(update={"verify_email": "optional"}))) as live:
        ada = await type(people)(live.client, None).sign_up()
        token = await received(ada.email)
        new = people.account()["email"]
        await alter(users, ada.id, email=new)
        assert (await confirm(live.client, token)).json()["code"] == "invalid_email_token"
        me = (await ada.ask("GET", "/users/me")).json()
        assert (me["email"], me["email_verified"]) == (new, False)


async def test_a_registration_sends_nothing_unless_it_should(live, ada, sink, received):
    await forgotten(live, ada.email)
    await received(ada.email)
    assert len(sink.mails) == 1, "the registration before it sent none"


async def test_a_server_that_refuses_is_tried_again(live, ada, sink, received, monkeypatch):
    monkeypatch.setattr(mailer, "PAUSE", 0.01)
    sink.refusals = 2
    await forgotten(live, ada.email)
    await received(ada.email)


async def test_a_message_that_cannot_be_sent_does_not_hold_up_the_next(
    live, ada, people, sink, received, monkeypatch
):
    monkeypatch.setattr(mailer, "PAUSE", 0.01)
    sink.refusals = mailer.ATTEMPTS
    await forgotten(live, ada.email)
    other = await type(people)(live, None).sign_up()
    await forgotten(live, other.email)
    await received(other.email)
    assert sink.to(ada.email) == []


async def test_a_message_that_is_refused_for_good_is_not_tried_again(live, ada, people, sink, received):
    """Each attempt has a pause, in which all others wait."""
    sink.refusals, sink.refusal = 1, "554 not for us"
    await forgotten(live, ada.email)
    other = await type(people)(live, None).sign_up()
    await forgotten(live, other.email)
    await received(other.email)
    assert sink.attempts == 2
    assert sink.to(ada.email) == []


async def test_a_clock_that_was_set_back_keeps_no_mail_back(live, ada, received, monkeypatch):
    monkeypatch.setattr(email_tokens, "utc_now", lambda: utc_now() + timedelta(hours=1))
    await forgotten(live, ada.email)
    await received(ada.email)
    monkeypatch.undo()
    await forgotten(live, ada.email)
    assert (await reset(live, await received(ada.email, 2))).status_code == 204


async def test_where_no_mail_can_be_sent_it_says_so(settings, people):
    async with served(create_app(settings.model_copy(update={"mail": "off"}))) as live:
        ada = await type(people)(live.client, None).sign_up()
        answer = await forgotten(live.client, ada.email)
        assert (answer.status_code, answer.json()["code"]) == (503, "mail_unavailable")


async def test_in_development_mail_is_printed(settings, people, capsys, eventually):
    async with served(create_app(settings.model_copy(update={"mail": "console"}))) as live:
        ada = await type(people)(live.client, None).sign_up()
        await forgotten(live.client, ada.email)
        shown = []

        def printed():
            shown.append(capsys.readouterr().out)
            return f"mail to {ada.email}: Set a new password" in "".join(shown)

        await eventually(printed, True)


async def test_guessing_whose_account_it_is_is_slow(mailing):
    narrow = mailing.model_copy(update={"pair_attempts": 2})
    async with served(create_app(narrow)) as live:
        answers = [await forgotten(live.client, "somebody-else@example.com") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]


async def test_a_token_for_an_email_that_was_left_resets_nothing(live, ada, people, received, alter):
    await forgotten(live, ada.email)
    token = await received(ada.email)
    await alter(users, ada.id, email=people.account()["email"])
    assert (await reset(live, token)).json()["code"] == "invalid_email_token"
