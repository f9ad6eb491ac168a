"""Whoever has no key cannot fill the memory of a real API process, whatever part of a request never ends."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.attacks import ATTACKS, attacked, exchange
from tests.support.lone_api import LoneApi, lone_api

SENT_BYTES = 20_000_000
GROWN_BYTES = 30_000_000


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LoneApi]:
    """An API process."""
    async with lone_api(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.mark.parametrize("name", ATTACKS)
async def test_what_never_ends_is_cut_off_soon(api: LoneApi, name: str) -> None:
    damage = await attacked(api, ATTACKS[name], SENT_BYTES)

    assert damage.sent_bytes < SENT_BYTES
    assert damage.grown_bytes < GROWN_BYTES


@pytest.mark.parametrize("name", [name for name, attack in ATTACKS.items() if attack.status])
async def test_who_sends_a_little_too_much_is_told(api: LoneApi, name: str) -> None:
    attack = ATTACKS[name]
    answer = await exchange(api.port, (attack.begin + attack.repeated)[:60_000])

    assert answer.startswith(b"HTTP/1.1 %d " % (attack.status or 0))
    assert b"connection: close\r\n" in answer


async def test_a_request_within_the_limits_is_answered(api: LoneApi) -> None:
    async with httpx.AsyncClient(base_url=api.url, trust_env=False) as client:
        wide = {f"x-{number}": "v" * 250 for number in range(90)}
        answers = [
            await client.get("/health/live", headers=wide),
            await client.get("/health/live", headers={"x-long": "v" * 30_000}),
            await client.get(f"/health/live?long={'v' * 8_000}"),
            # Upgrades to protocols that are not spoken here change nothing.
            await client.get("/health/live", headers={"Connection": "Upgrade", "Upgrade": "websocket"}),
        ]

    assert [answer.status_code for answer in answers] == [200] * 4


async def test_one_header_too_many_is_refused_with_an_answer(api: LoneApi) -> None:
    async with httpx.AsyncClient(base_url=api.url, trust_env=False) as client:
        many = await client.get("/health/live", headers={f"x-{number}": "v" for number in range(101)})
        long = await client.get(f"/health/live?long={'v' * 9_000}")

    assert (many.status_code, long.status_code) == (431, 414)
