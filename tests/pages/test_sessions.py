"""The cookie that stands for a key."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http.cookies import SimpleCookie

import pytest
from cryptography.fernet import Fernet
from fastapi import Request
from starlette.responses import Response

from adapters.sealing import Seal
from api.pages.session import COOKIE, LIFETIME_SECONDS, Sessions
from api.problems import Problem

KEY = "autos_12345678_a secret"
URL = "http://127.0.0.1:8000"


def request(
    cookie: str | None, method: str = "GET", headers: Mapping[str, str] | None = None, query: str = ""
) -> Request:
    """A request of a browser that holds this cookie."""
    sent = {"host": "127.0.0.1:8000", **(headers or {})}
    if cookie is not None:
        sent["cookie"] = f"{COOKIE}={cookie}"
    raw = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    return Request({"type": "http", "method": method, "path": "/", "query_string": query.encode(), "headers": raw})


@pytest.fixture
def seal() -> Seal:
    """A seal that nobody else has."""
    return Seal([Fernet.generate_key().decode()])


def begun(sessions: Sessions) -> SimpleCookie:
    """What the browser is given at the sign-in."""
    response = Response()
    sessions.begin(response, KEY)
    return SimpleCookie(response.headers["set-cookie"])


def test_a_session_stands_for_its_key(seal: Seal) -> None:
    sessions = Sessions(seal, URL)
    cookie = begun(sessions)[COOKIE]
    assert KEY not in cookie.value
    assert sessions.key_of(request(cookie.value)) == KEY
    # Another API process with the same secret reads it too, one with another does not.
    assert Sessions(seal, URL).key_of(request(cookie.value)) == KEY
    assert Sessions(Seal([Fernet.generate_key().decode()]), URL).key_of(request(cookie.value)) is None
    assert Sessions(None, URL).key_of(request(cookie.value)) is None


@pytest.mark.parametrize(("url", "secure"), [(URL, False), ("https://autos.example", True)])
def test_the_cookie_is_for_our_pages_alone_and_under_https_for_https_alone(
    seal: Seal, url: str, secure: bool
) -> None:
    cookie = begun(Sessions(seal, url))[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "strict", "/")
    assert bool(cookie["secure"]) is secure
    assert int(cookie["max-age"]) == LIFETIME_SECONDS == 12 * 3600


def test_a_session_ends_after_twelve_hours_whatever_the_browser_keeps(
    seal: Seal, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = Sessions(seal, URL)
    value = begun(sessions)[COOKIE].value
    begin = time.time()
    monkeypatch.setattr(time, "time", lambda: begin + LIFETIME_SECONDS - 5)
    assert sessions.key_of(request(value)) == KEY
    monkeypatch.setattr(time, "time", lambda: begin + LIFETIME_SECONDS + 5)
    assert sessions.key_of(request(value)) is None


def test_nothing_else_is_taken_for_a_session(seal: Seal) -> None:
    sessions = Sessions(seal, URL)
    value = begun(sessions)[COOKIE].value
    others = {"kind": "token", "key": KEY, "ends": int(time.time()) + 60}
    for cookie in (
        *("", "x", value[:-2], value[::-1], KEY),
        *(seal.close("a token of the court"), seal.close("[1]"), seal.close(json.dumps(others))),
    ):
        assert sessions.key_of(request(cookie)) is None


@pytest.mark.parametrize(
    ("headers", "let_in"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": URL}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": URL}, True),
        ({"origin": "http://127.0.0.1:9000"}, False),
        ({"origin": "https://elsewhere.example"}, False),
        ({"origin": "null"}, False),
        ({}, False),
    ],
)
def test_a_session_changes_something_only_from_a_page_of_ours(
    seal: Seal, headers: dict[str, str], let_in: bool
) -> None:
    sessions = Sessions(seal, URL)
    value = begun(sessions)[COOKIE].value
    assert sessions.key_of(request(value, "GET", headers)) == KEY
    for method, query in (("POST", ""), ("PUT", ""), ("DELETE", ""), ("PATCH", ""), ("GET", "auto_download=true")):
        if let_in:
            assert sessions.key_of(request(value, method, headers, query)) == KEY
        else:
            with pytest.raises(Problem) as refused:
                sessions.key_of(request(value, method, headers, query))
            assert refused.value.status == 403


def test_forms_are_of_one_session(seal: Seal) -> None:
    sessions = Sessions(seal, URL)
    first, second = (begun(sessions)[COOKIE].value for _ in range(2))
    tokens = {sessions.form_token(request(cookie)) for cookie in (first, second, None)}
    assert len(tokens) == 3
    assert sessions.form_token(request(first)) == sessions.form_token(request(first))
    assert first not in tokens
