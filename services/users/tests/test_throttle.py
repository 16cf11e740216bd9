"""Guessing is slow, and the guesser alone is slowed down."""

import asyncio
import contextlib
import secrets

import pytest

from shared.testing import served
from users.exceptions import InvalidCredentials, TooManyAttempts
from users.main import create_app
from users.throttle import AT_ONCE, LONGEST_ATTEMPT, SignInThrottle


@pytest.fixture
def throttle(redis):
    """Five attempts for a pair, twelve for an address."""
    return SignInThrottle(redis, 5, 12)


def somebody():
    return f"{secrets.token_hex(8)}@example.com"


def somewhere():
    """No two in one network."""
    return f"2001:db8:{secrets.randbelow(65536):x}:{secrets.randbelow(65536):x}::1"


async def admitted(throttle, email, address, most=100):
    """How many wrong passwords are looked at before the first has to wait."""
    for number in range(most):
        try:
            await throttle.spend(email, address)
        except TooManyAttempts:
            return number
    return most


def network(address):
    return address.removesuffix("1") + "/64"


async def wait_until(redis, address, until):
    [pair] = [key async for key in redis.scan_iter(f"users:sign-in:pair:*:{network(address)}")]
    for key in (pair, f"users:sign-in:address:{network(address)}"):
        await redis.hset(key, "until", until)


async def succeed(throttle, email, address):
    async with throttle.attempt(email, address):
        pass


async def test_a_guesser_has_to_wait_and_longer_each_time(throttle, redis):
    email, address = somebody(), somewhere()
    assert await admitted(throttle, email, address) == 5
    waits = []
    for _ in range(9):
        with pytest.raises(TooManyAttempts) as refused:
            await throttle.spend(email, address)
        waits.append(int(refused.value.headers["Retry-After"]))
        await wait_until(redis, address, 0)  # as if the wait were over
        await throttle.spend(email, address)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_all_addresses_of_a_network_are_one(throttle):
    """Whoever rents a server has 2 ** 64 of them."""
    email, first = somebody(), somewhere()
    others = [f"{first}{number:x}" for number in (0, 0xFFF)]
    assert [await admitted(throttle, email, one) for one in (first, *others)] == [5, 0, 0]
    mapped, plain = "::ffff:192.0.2.7", "192.0.2.7"
    email = somebody()
    assert [await admitted(throttle, email, one) for one in (mapped, plain, "192.0.2.8")] == [5, 0, 5]


async def test_a_clock_that_was_set_back_makes_nobody_wait_longer(throttle, redis):
    email, address = somebody(), somewhere()
    assert await admitted(throttle, email, address) == 5
    seconds, _ = await redis.time()
    await wait_until(redis, address, 1000 * (seconds + 3600))
    await throttle.spend(email, address)
    with pytest.raises(TooManyAttempts):
        await throttle.spend(email, address)


async def test_nobody_locks_somebody_else_out(throttle):
    """From another address the account is open, however hard it is guessed at."""
    email = somebody()
    for _ in range(50):
        await admitted(throttle, email, somewhere())
    assert await admitted(throttle, email, somewhere()) >= 2


async def test_who_has_signed_in_from_an_address_keeps_all_attempts_there(throttle):
    email, home = somebody(), somewhere()
    await succeed(throttle, email, home)
    for _ in range(50):
        await admitted(throttle, email, somewhere())
    assert await admitted(throttle, email, home) == 5


async def test_an_account_attacked_from_many_addresses_leaves_fewer_attempts_to_each(throttle):
    email = somebody()
    assert [await admitted(throttle, email, somewhere()) for _ in range(8)] == [5, 5, 5, 5, 2, 2, 2, 2]


async def test_an_address_that_tries_many_accounts_has_to_wait(throttle):
    address = somewhere()
    assert sum([await admitted(throttle, somebody(), address, 1) for _ in range(30)]) == 12


async def test_but_not_for_those_who_are_known_there(throttle):
    """An office behind one address goes on working while one of its machines guesses."""
    email, address = somebody(), somewhere()
    await succeed(throttle, email, address)
    for _ in range(30):
        await admitted(throttle, somebody(), address, 1)
    assert await admitted(throttle, email, address) == 5


async def test_success_clears_what_was_counted(throttle):
    email, address = somebody(), somewhere()
    for _ in range(10):
        assert await admitted(throttle, email, address, 4) == 4
        await succeed(throttle, email, address)


async def test_right_passwords_may_come_at_once(throttle):
    """As from a program that starts sixteen workers."""
    email, address = somebody(), somewhere()

    async def slow():
        async with throttle.attempt(email, address):
            await asyncio.sleep(0.05)

    await asyncio.gather(*(slow() for _ in range(16)))
    await asyncio.gather(*(slow() for _ in range(16)))


async def test_guesses_that_come_at_once_are_few(throttle, redis, monkeypatch):
    """All are admitted or refused before the first is found wrong, however slow the machine is."""
    monkeypatch.setattr(redis.connection_pool, "timeout", 20)
    email, address = somebody(), somewhere()
    looked_at = []

    async def at_once(count):
        everybody = asyncio.Barrier(count)

        async def found_wrong():
            await everybody.wait()
            raise InvalidCredentials

        async def guess():
            try:
                async with throttle.attempt(email, address):
                    looked_at.append(1)
                    await found_wrong()
            except TooManyAttempts:
                await everybody.wait()
            except InvalidCredentials:
                pass

        await asyncio.gather(*(guess() for _ in range(count)))

    for _ in range(3):
        await at_once(AT_ONCE + 8)
    assert len(looked_at) == AT_ONCE


async def test_an_attempt_that_ends_otherwise_is_neither_right_nor_wrong(throttle):
    email, address = somebody(), somewhere()
    for _ in range(50):
        with contextlib.suppress(ZeroDivisionError):
            async with throttle.attempt(email, address):
                raise ZeroDivisionError
    assert await admitted(throttle, email, address) == 5


async def test_an_attempt_that_died_with_its_process_keeps_nobody_out_for_long(throttle, redis):
    """Of an owner who has one attempt left."""
    email, address = somebody(), somewhere()
    assert await admitted(throttle, email, address, 4) == 4
    await throttle._admit(email, network(address))
    with pytest.raises(TooManyAttempts):
        await succeed(throttle, email, address)
    [under_way] = [key async for key in redis.scan_iter(f"users:sign-in:under-way:*:{network(address)}")]
    assert await redis.ttl(under_way) <= LONGEST_ATTEMPT
    [attempt] = await redis.zrange(under_way, 0, -1)
    await redis.zadd(under_way, {attempt: 1})  # as if it had begun long ago
    await succeed(throttle, email, address)


async def test_no_email_stands_in_redis(throttle, redis):
    email, address = somebody(), somewhere()
    await succeed(throttle, email, address)
    assert [key async for key in redis.scan_iter(f"*{email}*")] == []


async def test_the_answer_says_when_to_come_back_and_hides_whether_there_is_such_an_account(settings, people):
    narrow = settings.model_copy(update={"pair_attempts": 2})
    async with served(create_app(narrow)) as live:
        person = await type(people)(live.client, None).sign_up()
        for email in (person.email, somebody()):
            headers = {"X-Forwarded-For": f"203.0.113.7, {somewhere()}"}
            form = {"username": email, "password": "wrong password"}
            answers = [await live.client.post("/auth/token", data=form, headers=headers) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [401, 401, 429]
            assert answers[-1].json()["code"] == "too_many_attempts"
            assert int(answers[-1].headers["Retry-After"]) >= 1
        assert (await person.sign_in()).status_code == 200, "from elsewhere"


async def test_a_stolen_token_does_not_help_to_guess_the_password(settings, people):
    """Nor does it lock its owner out, who is elsewhere."""
    narrow = settings.model_copy(update={"pair_attempts": 2})
    guess = {"current_password": "wrong password"}
    guesses = [
        ("PATCH", "/users/me", {**guess, "password": "another long password"}),
        ("POST", "/users/me/email", {**guess, "email": somebody()}),
    ]
    async with served(create_app(narrow)) as live:
        person = await type(people)(live.client, None).sign_up()
        thief = {"X-Forwarded-For": somewhere()}
        answers = [
            await person.ask(method, path, json=body, headers=thief) for method, path, body in guesses * 2
        ]
        assert [answer.status_code for answer in answers] == [403, 403, 429, 429]
        assert int(answers[-1].headers["Retry-After"]) >= 1
        form = {"username": person.email, "password": "wrong password"}
        assert (await live.client.post("/auth/token", data=form, headers=thief)).status_code == 429
        assert (await person.sign_in()).status_code == 200
