"""Passwords: right ones stay remembered whatever is guessed, and guesses are limited per client."""

import asyncio
import base64
import threading
from concurrent.futures import ThreadPoolExecutor

import bcrypt
import pytest

from skewmon.export import attempts, auth
from skewmon.export.attempts import Attempts
from skewmon.export.auth import BasicAuth, BusyError, TooManyAttemptsError

PASSWORD = "correct horse"
USERS = {"prometheus": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4))}


def header(password: str, name: str = "prometheus") -> str:
    """Return an Authorization header."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def executor():
    """Return one thread."""
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.fixture
def checks(monkeypatch) -> list[bytes]:
    """Return the passwords that bcrypt has checked."""
    checked = []
    check = bcrypt.checkpw

    def noted(password: bytes, digest: bytes) -> bool:
        checked.append(password)
        return check(password, digest)

    monkeypatch.setattr(bcrypt, "checkpw", noted)
    return checked


async def outcome(checker: BasicAuth, password: str, client: str = "a") -> bool | type[Exception]:
    """Return the result for a client with this password."""
    try:
        return await checker.admits(USERS, header(password), client)
    except (BusyError, TooManyAttemptsError) as refusal:
        return type(refusal)


async def test_wrong_passwords_evict_no_right_one(executor, checks, monkeypatch) -> None:
    """After more guesses than are remembered, the scraper's password needs no second check."""
    monkeypatch.setattr(auth, "WRONG_MAX", 20)
    checker = BasicAuth(executor)
    assert await outcome(checker, PASSWORD)
    for number in range(200):
        assert await outcome(checker, f"guess {number}", f"client {number}") is False
    checks.clear()
    assert await outcome(checker, PASSWORD)
    assert checks == []
    assert len(checker._wrong) == 20


async def test_guesses_are_limited_per_client_and_delay_no_right_password(executor, checks) -> None:
    """The client that guesses is refused without a check; others, and passwords known as right, are not."""
    checker = BasicAuth(executor)
    assert await outcome(checker, PASSWORD)
    found = [await outcome(checker, f"guess {number}") for number in range(50)]
    assert set(found[: attempts.BURST]) == {False}
    assert found[-1] is TooManyAttemptsError
    assert len(checks) < 1 + 2 * attempts.BURST
    assert await outcome(checker, PASSWORD)
    assert await outcome(checker, "guess", "b") is False
    assert await outcome(checker, "guess 0") is False, "a repeated wrong password needs no check"


async def test_right_passwords_use_up_no_attempts(executor, monkeypatch) -> None:
    """Any number of users may log in through one proxy."""
    checker = BasicAuth(executor)
    users = {f"user {number}": USERS["prometheus"] for number in range(3 * attempts.BURST)}
    for name in users:
        assert await checker.admits(users, header(PASSWORD, name), "proxy")


async def test_the_same_password_is_checked_once_for_many_requests(executor, checks) -> None:
    """A browser that loads a page sends several requests at once."""
    checker = BasicAuth(executor)
    assert await asyncio.gather(*(outcome(checker, PASSWORD) for _ in range(30))) == [True] * 30
    assert checks == [PASSWORD.encode()]


async def test_one_client_cannot_fill_the_queue_of_checks(executor, monkeypatch) -> None:
    """While a client's guesses wait, another client's password is taken; all together are bounded."""
    held = threading.Event()
    check = bcrypt.checkpw

    def slow(password: bytes, digest: bytes) -> bool:
        held.wait(20)
        return check(password, digest)

    monkeypatch.setattr(bcrypt, "checkpw", slow)
    checker = BasicAuth(executor)
    tasks = [asyncio.create_task(outcome(checker, f"guess {number}")) for number in range(8)]
    tasks += [
        asyncio.create_task(outcome(checker, "guess", f"client {number}"))  # coalesced into one check
        for number in range(8)
    ]
    tasks += [asyncio.create_task(outcome(checker, f"other {n}", f"client {n}")) for n in range(20)]
    right = asyncio.create_task(outcome(checker, PASSWORD, "client 0"))
    await asyncio.sleep(0)
    held.set()
    found = await asyncio.gather(*tasks)
    assert found[:8].count(TooManyAttemptsError) == 8 - auth.PENDING_PER_CLIENT_MAX
    assert found.count(BusyError) > 0
    assert await right in {True, BusyError}
    assert await outcome(checker, PASSWORD, "client 99")
    assert not checker._pending


async def test_a_name_that_the_file_gains_is_admitted_at_once(executor) -> None:
    """A result from before the change is not reused."""
    checker = BasicAuth(executor)
    attempt = header(PASSWORD, "grafana")
    assert not await checker.admits(USERS, attempt, "a")
    assert await checker.admits({**USERS, "grafana": USERS["prometheus"]}, attempt, "a")


def test_attempts_come_back_with_time_and_clients_are_forgotten() -> None:
    """One attempt a second, never more than a burst; memory is bounded."""
    now = [0.0]
    left = Attempts(lambda: now[0])
    assert sum(left.take("a") for _ in range(100)) == attempts.BURST
    now[0] += 3.5
    assert sum(left.take("a") for _ in range(100)) == 3
    now[0] += 1e6
    assert sum(left.take("a") for _ in range(100)) == attempts.BURST
    for number in range(2 * attempts.CLIENTS_MAX):
        left.take(str(number))
    assert len(left._buckets) == attempts.CLIENTS_MAX
