"""Without keys, a web page elsewhere starts nothing, whatever it has a browser send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from tests.support.doors import PUBLIC_URL, door

KEY = "a key of sixteen characters"
# Ends right behind the door, at a parameter that there is not.
PATH = "/read?unknown=1"
LET_IN = (422, "invalid_request")
REFUSED = (403, "foreign_host")

Ask = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture(scope="module")
async def ask(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ask]:
    """Tells what is answered to a request with some headers, on a catalog without keys."""
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('access') / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))

    async def answer(headers: dict[str, str], api_key: str | None = None) -> tuple[int, str]:
        transport = httpx.ASGITransport(door(catalog, api_key))
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
            answer = await client.get(PATH, headers=headers)
        return answer.status_code, answer.json()["code"]

    yield answer
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
        {"Host": "attacker.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_a_page_elsewhere_is_refused(ask: Ask, headers: dict[str, str]) -> None:
    assert await ask(headers) == REFUSED


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8000"},
        {"Origin": "http://localhost:8000"},
        {"Host": "[::1]:8000", "Origin": "http://[::1]:8000"},
    ],
)
async def test_people_and_programs_on_this_machine_are_let_in(ask: Ask, headers: dict[str, str]) -> None:
    assert await ask(headers) == LET_IN


async def test_with_a_key_it_does_not_matter_where_one_asks_from(ask: Ask) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://desk.example"}
    assert await ask(headers, KEY) == (401, "unauthorized")
    assert await ask({**headers, "Authorization": f"Bearer {KEY}"}, KEY) == LET_IN
