"""Password hashing within its bounds."""

import asyncio
import threading

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from users.exceptions import Busy, PasswordTooCommon
from users.password_rules import require_uncommon
from users.passwords import Passwords

pytestmark = pytest.mark.usefixtures("real_hashes")


@pytest.fixture
def gate():
    """Work that holds its thread until the gate is opened."""
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.fixture
def make():
    made = []

    def new(*bounds):
        made.append(Passwords(*bounds))
        return made[-1]

    yield new
    for passwords in made:
        passwords.close()


async def occupied(passwords, gate):
    """A task that holds the only thread."""
    entered = threading.Event()
    task = asyncio.create_task(passwords._run(lambda: (entered.set(), gate.wait(30))))
    await asyncio.to_thread(entered.wait, 30)
    return task


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "Password",
        " PASSWORD1 ",
        "12345678",
        "qwertyuiop",
        "iloveyou",
        "Ada Lovelace",
        "ada@example.com",
    ],
)
def test_a_password_that_is_guessed_first_is_refused(password):
    with pytest.raises(PasswordTooCommon):
        require_uncommon(password, "ada@example.com", "Ada Lovelace")


@pytest.mark.parametrize("password", ["correct horse battery staple", "\ud800" * 8, "🔑" * 8, "kX3-vq9!pT"])
def test_other_passwords_are_not(password):
    require_uncommon(password, "ada@example.com", "Ada Lovelace")


async def test_a_password_is_verified(make):
    passwords = make(1, 4, 5.0)
    stored = await passwords.hash("Ünïcödé \x00")
    assert await passwords.verify("Ünïcödé \x00", stored)
    assert not await passwords.verify("Ünïcödé ", stored)
    assert stored != await passwords.hash("Ünïcödé \x00"), "each hash has its own salt"


async def test_a_hash_of_older_parameters_is_made_anew(make, monkeypatch):
    passwords = make(1, 4, 5.0)
    today = await passwords.hash("secret")
    assert await passwords.upgraded("secret", today) is None
    old = PasswordHash((Argon2Hasher(1, 8_192, 1),)).hash("secret")
    assert await passwords.verify("secret", old)
    upgraded = await passwords.upgraded("secret", old)
    assert upgraded.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.verify("secret", upgraded)


async def test_without_a_stored_hash_nothing_is_right(make):
    passwords = make(1, 4, 5.0)
    assert not await passwords.verify("x", None)


async def test_who_finds_the_queue_full_is_told_at_once(make, gate):
    passwords = make(1, 1, 30.0)
    running = await occupied(passwords, gate)
    waiting = asyncio.create_task(passwords.hash("x"))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await passwords.hash("y")
    gate.set()
    assert (await waiting).startswith("$argon2id$")
    await running


async def test_new_accounts_leave_half_of_the_queue_to_others(make, gate):
    passwords = make(1, 4, 30.0)
    running = await occupied(passwords, gate)
    new = [asyncio.create_task(passwords.hash_for_new("x")) for _ in range(5)]
    await asyncio.sleep(0)
    assert [task.done() for task in new] == [False, False, True, True, True]
    others = [asyncio.create_task(passwords.verify("x", None)) for _ in range(3)]
    await asyncio.sleep(0)
    assert [task.done() for task in others] == [False, False, True]
    gate.set()
    refused = [await asyncio.gather(*tasks, return_exceptions=True) for tasks in (new, others)]
    assert [sum(isinstance(one, Busy) for one in answers) for answers in refused] == [3, 1]
    assert (await passwords.hash_for_new("x")).startswith("$argon2id$")
    await running


async def test_who_waits_too_long_is_told_so(make, gate):
    passwords = make(1, 5, 0.02)
    running = await occupied(passwords, gate)
    with pytest.raises(Busy):
        await passwords.hash("x")
    gate.set()
    await running
    assert await passwords.hash("x"), "and the next one finds a free thread"


async def test_without_a_queue_one_at_a_time_is_served(make, gate):
    passwords = make(1, 0, 5.0)
    assert await passwords.hash("x")
    running = await occupied(passwords, gate)
    with pytest.raises(Busy):
        await passwords.hash("x")
    gate.set()
    await running


async def test_who_gives_up_waiting_takes_no_place(make, gate):
    passwords = make(1, 1, 30.0)
    running = await occupied(passwords, gate)
    for _ in range(3):
        waiting = asyncio.create_task(passwords.hash("x"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    gate.set()
    await running
    assert await passwords.hash("x")
