"""The session cookie that stands for a key."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http.cookies import SimpleCookie

import pytest
from cryptography.fernet import Fernet
from fastapi import Request
from starlette.responses import Response

from adapters.security.encryption import Encryptor
from api.pages.session import COOKIE, LIFETIME_SECONDS, Sessions
from api.problems.problem import Problem

KEY = "autos_12345678_a secret"
URL = "http://127.0.0.1:8000"


def request(
    cookie: str | None, method: str = "GET", headers: Mapping[str, str] | None = None, query: str = ""
) -> Request:
    """Create a request of a browser with this cookie."""
    sent = {"host": "127.0.0.1:8000", **(headers or {})}
    if cookie is not None:
        sent["cookie"] = f"{COOKIE}={cookie}"
    raw = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    return Request({"type": "http", "method": method, "path": "/", "query_string": query.encode(), "headers": raw})


@pytest.fixture
def encryptor() -> Encryptor:
    """An encryptor with a key of its own."""
    return Encryptor([Fernet.generate_key().decode()])


def begin_session(sessions: Sessions) -> SimpleCookie:
    """Begin a session, and return the cookies that the browser gets."""
    response = Response()
    sessions.begin(response, KEY)
    return SimpleCookie(response.headers["set-cookie"])


def test_a_session_stands_for_its_key(encryptor: Encryptor) -> None:
    sessions = Sessions(encryptor, URL)
    cookie = begin_session(sessions)[COOKIE]
    assert KEY not in cookie.value
    assert sessions.key_of(request(cookie.value)) == KEY
    # Another API with the same secret reads it too; one with another secret does not.
    assert Sessions(encryptor, URL).key_of(request(cookie.value)) == KEY
    assert Sessions(Encryptor([Fernet.generate_key().decode()]), URL).key_of(request(cookie.value)) is None
    assert Sessions(None, URL).key_of(request(cookie.value)) is None


@pytest.mark.parametrize(("url", "secure"), [(URL, False), ("https://autos.example", True)])
def test_the_cookie_is_restricted_to_our_pages_and_to_https_under_https(
    encryptor: Encryptor, url: str, secure: bool
) -> None:
    cookie = begin_session(Sessions(encryptor, url))[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "strict", "/")
    assert bool(cookie["secure"]) is secure
    assert int(cookie["max-age"]) == LIFETIME_SECONDS == 12 * 3600


def test_a_session_ends_after_twelve_hours_even_if_the_browser_keeps_it(
    encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = Sessions(encryptor, URL)
    value = begin_session(sessions)[COOKIE].value
    begin = time.time()
    monkeypatch.setattr(time, "time", lambda: begin + LIFETIME_SECONDS - 5)
    assert sessions.key_of(request(value)) == KEY
    monkeypatch.setattr(time, "time", lambda: begin + LIFETIME_SECONDS + 5)
    assert sessions.key_of(request(value)) is None


def test_other_values_are_not_accepted_as_a_session(encryptor: Encryptor) -> None:
    sessions = Sessions(encryptor, URL)
    value = begin_session(sessions)[COOKIE].value
    others = {"kind": "token", "key": KEY, "ends": int(time.time()) + 60}
    for cookie in (
        *("", "x", value[:-2], value[::-1], KEY),
        *(
            encryptor.encrypt("a token of the court"),
            encryptor.encrypt("[1]"),
            encryptor.encrypt(json.dumps(others)),
        ),
    ):
        assert sessions.key_of(request(cookie)) is None


@pytest.mark.parametrize(
    ("headers", "allowed"),
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
def test_a_session_allows_changes_only_from_our_own_pages(
    encryptor: Encryptor, headers: dict[str, str], allowed: bool
) -> None:
    sessions = Sessions(encryptor, URL)
    value = begin_session(sessions)[COOKIE].value
    assert sessions.key_of(request(value, "GET", headers)) == KEY
    for method, query in (("POST", ""), ("PUT", ""), ("DELETE", ""), ("PATCH", ""), ("GET", "auto_download=true")):
        if allowed:
            assert sessions.key_of(request(value, method, headers, query)) == KEY
        else:
            with pytest.raises(Problem) as refused:
                sessions.key_of(request(value, method, headers, query))
            assert refused.value.status == 403


def test_form_tokens_belong_to_one_session(encryptor: Encryptor) -> None:
    sessions = Sessions(encryptor, URL)
    first, second = (begin_session(sessions)[COOKIE].value for _ in range(2))
    tokens = {sessions.form_token(request(cookie)) for cookie in (first, second, None)}
    assert len(tokens) == 3
    assert sessions.form_token(request(first)) == sessions.form_token(request(first))
    assert first not in tokens
