"""Access without keys: requests from foreign web pages and foreign Host headers are refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from api.origins import Origins, Sender
from tests.support.guarded_app import PUBLIC_URL, create_guarded_app

KEY = "a key of sixteen characters"
# Passes authentication, then fails at an unknown parameter.
PATH = "/read?unknown=1"
ALLOWED = (422, "invalid_request")
REFUSED = (403, "foreign_host")

Headers = dict[str, str] | list[tuple[bytes, bytes]]
SendRequest = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture(scope="module")
async def send_request(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SendRequest]:
    """A function that sends a request with these headers, on a catalog without keys. Returns status and code."""
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('access') / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))

    async def send(headers: Headers, api_key: str | None = None) -> tuple[int, str]:
        transport = httpx2.ASGITransport(create_guarded_app(catalog, api_key))
        async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
            answer = await client.get(PATH, headers=headers)
        return answer.status_code, answer.json()["code"]

    yield send
    await catalog.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Origin": "https://attacker.example"},
        {"Origin": "https://localhost.attacker.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://attacker.example"},
        {"Sec-Fetch-Site": "none", "Origin": "https://attacker.example"},
        # A page on another port or another scheme of this machine has another origin.
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:8000"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "same-origin, cross-site"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "https://127.0.0.1:8000"},
        {"Origin": "http://127.0.0.1:8000/"},
        {"Origin": "http://someone@127.0.0.1:8000"},
        {"Origin": "127.0.0.1:8000"},
        {"Host": "127.0.0.1:9999", "Origin": "http://127.0.0.1:9998"},
        {"Host": "attacker.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_cross_origin_request_is_refused(send_request: SendRequest, headers: dict[str, str]) -> None:
    assert await send_request(headers) == REFUSED


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8000"},
        {"Origin": "http://localhost:8000"},
        {"Host": "[::1]:8000", "Origin": "http://[::1]:8000"},
        {"Host": "LOCALHOST:8000", "Origin": "http://localhost:8000"},
        {"Host": "localhost"},
        {"Host": "127.0.0.1:80", "Origin": "http://127.0.0.1"},
        # A local port that is forwarded to the API's own.
        {"Host": "127.0.0.1:9999", "Origin": "http://127.0.0.1:9999"},
    ],
)
async def test_local_browser_or_program_is_allowed(send_request: SendRequest, headers: dict[str, str]) -> None:
    assert await send_request(headers) == ALLOWED


@pytest.mark.parametrize(
    "host",
    [
        *("a`b.evil.example", "evil.example:", "127.0.0.1@evil", "127.0.0.1:80@evil.example", "", " ", ":8000"),
        *("127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+80", "127.0.0.1:8000:8000", "127.0.0.1:08x"),
        *("127.0.0.1.", "127.0.0.1.evil.example", "localhost.", "localhost.evil.example", "127.1", "0.0.0.0"),
        *(
            "::1",
            "::1:8000",
            "[::1",
            "[::1]8000",
            "[::1]:",
            "[127.0.0.1]",
            "[::1%25lo]",
            "localhost%00",
            "127.0.0.1/",
        ),
        *(
            "127.0.0.1,evil.example",
            "http://127.0.0.1",
            "127.0.0.1 evil",
            "127.0.0.1\\evil",
            "127.0.0.1#",
            "[::1]?",
        ),
    ],
)
async def test_host_that_is_not_exactly_an_own_name_is_refused(send_request: SendRequest, host: str) -> None:
    assert await send_request([(b"host", host.encode())]) == REFUSED


async def test_repeated_host_or_origin_header_is_refused(send_request: SendRequest) -> None:
    own = (b"host", b"127.0.0.1:8000")
    assert await send_request([own]) == ALLOWED
    assert await send_request([own, own]) == REFUSED
    assert await send_request([own, (b"host", b"evil.example")]) == REFUSED
    assert (
        await send_request([own, (b"origin", b"http://127.0.0.1:8000"), (b"origin", b"http://evil.example")])
        == REFUSED
    )
    assert await send_request([own, (b"sec-fetch-site", b"none"), (b"sec-fetch-site", b"cross-site")]) == REFUSED


OWN_HOST = re.compile(rb"(?i)(127\.0\.0\.1|localhost|\[::1\]|autos\.example)(:0*[1-9][0-9]*)?")
PIECES = (
    "127.0.0.1",
    "localhost",
    "[::1]",
    "autos.example",
    "evil.example",
    ":",
    "8000",
    "@",
    ".",
    "`",
    "%",
    "]",
    "\t",
)


@given(
    st.one_of(st.lists(st.sampled_from(PIECES), max_size=4).map("".join).map(str.encode), st.binary(max_size=30))
)
def test_own_name_check_accepts_exact_names_only(host: bytes) -> None:
    origins = Origins("https://autos.example")
    request = Request({"type": "http", "headers": [(b"host", host)], "scheme": "http"})

    if origins.is_own_name(request):
        assert OWN_HOST.fullmatch(host)
    elif OWN_HOST.fullmatch(host):
        assert int(host.rpartition(b":")[2]) > 65_535 or len(host.rpartition(b":")[2]) > 5


@pytest.mark.parametrize("url", ["http://[::1]:8000", "https://autos.example", "https://autos.example:8443"])
async def test_public_url_is_an_own_origin_behind_a_proxy_that_terminates_tls(url: str) -> None:
    host = url.partition("://")[2].encode()
    origins = Origins(url)

    def request_from(origin: str) -> Request:
        return Request(
            {"type": "http", "headers": [(b"host", host), (b"origin", origin.encode())], "scheme": "http"}
        )

    assert origins.is_own_name(request_from(url))
    assert origins.sender(request_from(url)) is Sender.OWN_PAGE
    assert origins.sender(request_from(f"{url}1")) is Sender.FOREIGN_PAGE


async def test_origin_is_irrelevant_when_a_key_is_required(send_request: SendRequest) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://desk.example"}
    assert await send_request(headers, KEY) == (401, "unauthorized")
    assert await send_request({**headers, "Authorization": f"Bearer {KEY}"}, KEY) == ALLOWED
