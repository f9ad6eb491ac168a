"""The cookie that remembers what a person has seen of processes."""

from __future__ import annotations

import time
from http.cookies import SimpleCookie

import pytest
from cryptography.fernet import Fernet
from fastapi import Request
from starlette.responses import Response

from adapters.security.encryption import Encryptor
from api.pages.visits import COOKIE, LIFETIME_SECONDS, VISIT_GAP_MINUTES, Visit, Visits
from domain.clients import ALL_SCOPES, Client

URL = "http://127.0.0.1:8000"
NUMBER = "1011745-77.2025.8.11.0041"
ANA, BEA = Client("firm", ALL_SCOPES, "key of Ana"), Client("firm", ALL_SCOPES, "key of Bea")


class Clock:
    """A clock that tests move.

    Attributes:
        now: Seconds since 1970.
    """

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def pass_minutes(self, minutes: int) -> None:
        """Move the clock."""
        self.now += minutes * 60


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of this test."""
    clock = Clock()
    monkeypatch.setattr(time, "time", lambda: clock.now)
    return clock


class Browser:
    """A browser that opens pages of processes and keeps its cookie."""

    def __init__(self, visits: Visits) -> None:
        self.visits = visits
        self.cookie = ""

    def request(self, method: str = "GET", **headers: str) -> Request:
        """Create a request with the cookie."""
        sent = {"cookie": f"{COOKIE}={self.cookie}", **headers}
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
        return Request({"type": "http", "method": method, "path": "/", "headers": raw})

    def open(self, last: int, *, number: str = NUMBER, client: Client = ANA, **headers: str) -> int | None:
        """Open a process whose last change has this number. Returns the last one that is not new, if any is new."""
        request, response = self.request(**headers), Response()
        visit = self.visits.visit(request, client, number, last)
        self.visits.remember(request, response, client, number, visit)
        self.keep(response)
        return visit.known if visit.known < visit.seen else None

    def keep(self, response: Response) -> SimpleCookie:
        """Keep the cookie of a response, if it has one."""
        cookies = SimpleCookie(response.headers.get("set-cookie", ""))
        if COOKIE in cookies:
            self.cookie = cookies[COOKIE].value
        return cookies


@pytest.fixture
def visits() -> Visits:
    """Visits, encrypted with a key of their own."""
    return Visits(Encryptor([Fernet.generate_key().decode()]), URL)


def test_what_is_new_stays_for_a_visit_and_is_known_at_the_next(visits: Visits, clock: Clock) -> None:
    browser = Browser(visits)
    assert browser.open(7) is None
    clock.pass_minutes(VISIT_GAP_MINUTES)
    assert browser.open(9) == 7
    # A reload, and a page that is open all day.
    for _ in range(20):
        clock.pass_minutes(VISIT_GAP_MINUTES)
        assert browser.open(9) == 7
    clock.pass_minutes(VISIT_GAP_MINUTES + 1)
    assert browser.open(9) is None
    assert visits.visit(browser.request(), ANA, NUMBER, 9).known == 9
    clock.pass_minutes(LIFETIME_SECONDS // 60 - 1)
    assert browser.open(12) == 9


def test_another_key_is_another_person_who_reads_nothing_of_the_cookie(visits: Visits, clock: Clock) -> None:
    browser = Browser(visits)
    browser.open(7)
    assert NUMBER not in browser.cookie
    assert visits.last_seen(browser.request(), ANA) == {NUMBER: 7}
    assert visits.last_seen(browser.request(), BEA) == {}
    clock.pass_minutes(60)
    assert browser.open(9, client=BEA) is None
    # Now the browser is hers.
    assert visits.last_seen(browser.request(), ANA) == {}
    other = Visits(Encryptor([Fernet.generate_key().decode()]), URL)
    assert other.last_seen(browser.request(), BEA) == {}


def test_the_cookie_keeps_the_processes_that_were_opened_last_and_fits_into_a_browser(
    visits: Visits, clock: Clock
) -> None:
    browser = Browser(visits)
    numbers = [f"{number:07}-77.2025.8.11.0041" for number in range(300)]
    for number in numbers:
        browser.open(2**31 - 1, number=number)
        clock.pass_minutes(1)
    assert len(f"{COOKIE}={browser.cookie}") < 4000
    kept = visits.last_seen(browser.request(), ANA)
    assert len(kept) >= 35
    assert list(kept) == numbers[::-1][: len(kept)]


def test_a_log_that_begins_anew_is_a_first_visit(visits: Visits, clock: Clock) -> None:
    browser = Browser(visits)
    browser.open(40)
    clock.pass_minutes(60)
    assert browser.open(3) is None
    clock.pass_minutes(60)
    assert browser.open(4) == 3


@pytest.mark.parametrize("purpose", ["prefetch", "prefetch;prerender"])
def test_what_a_browser_fetches_in_advance_is_not_seen(visits: Visits, clock: Clock, purpose: str) -> None:
    browser = Browser(visits)
    browser.open(1)
    clock.pass_minutes(60)
    before = browser.cookie
    browser.open(2, sec_purpose=purpose)
    assert browser.cookie == before
    assert browser.open(2) == 1


@pytest.mark.parametrize(("url", "secure"), [(URL, False), ("https://autos.example", True)])
def test_scripts_cannot_read_the_cookie_and_it_is_written_only_if_it_changes(
    clock: Clock, url: str, secure: bool
) -> None:
    browser = Browser(Visits(Encryptor([Fernet.generate_key().decode()]), url))
    request, response = browser.request(), Response()
    visit = browser.visits.visit(request, ANA, NUMBER, 1)
    browser.visits.remember(request, response, ANA, NUMBER, visit)
    cookie = browser.keep(response)[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    assert bool(cookie["secure"]) is secure
    again = Response()
    browser.visits.remember(browser.request(), again, ANA, NUMBER, visit)
    assert "set-cookie" not in again.headers


def test_without_a_secret_key_or_with_another_cookie_every_visit_is_the_first(visits: Visits, clock: Clock) -> None:
    encryptor = Encryptor([Fernet.generate_key().decode()])
    nobodys = Browser(Visits(None, URL))
    assert [nobodys.open(last) for last in (1, 2)] == [None, None]
    assert nobodys.cookie == ""
    browser = Browser(Visits(encryptor, URL))
    for cookie in ("", "x", encryptor.encrypt("[1]"), encryptor.encrypt('{"kind": "session", "key": "k"}')):
        browser.cookie = cookie
        assert browser.visits.last_seen(browser.request(), ANA) == {}
        assert browser.visits.visit(browser.request(), ANA, NUMBER, 5) == Visit(5, 30_000_000, 5, 30_000_000)
