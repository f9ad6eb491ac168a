"""Endless requests without a key do not fill the memory of a real API service."""

from __future__ import annotations

import asyncio
import json

import httpx2
import pytest

from tests.support.api_service import ApiService
from tests.support.conditions import eventually
from tests.support.http_attacks import ENDLESS_REQUESTS, run_attack, send_and_read_all

SENT_BYTES = 20_000_000
MAX_GROWTH_BYTES = 30_000_000


@pytest.mark.parametrize("name", ENDLESS_REQUESTS)
async def test_endless_request_is_cut_off(lone_api: ApiService, name: str) -> None:
    impact = await run_attack(lone_api, ENDLESS_REQUESTS[name], SENT_BYTES)

    assert impact.sent_bytes < SENT_BYTES
    assert impact.grown_bytes < MAX_GROWTH_BYTES


@pytest.mark.parametrize("name", [name for name, attack in ENDLESS_REQUESTS.items() if attack.status])
async def test_request_slightly_above_a_limit_gets_an_answer(lone_api: ApiService, name: str) -> None:
    attack = ENDLESS_REQUESTS[name]
    answer = await send_and_read_all(lone_api.port, (attack.begin + attack.repeated)[:60_000])

    assert answer.startswith(b"HTTP/1.1 %d " % (attack.status or 0))
    assert b"connection: close\r\n" in answer


async def test_request_within_the_limits_is_answered(lone_api: ApiService) -> None:
    async with httpx2.AsyncClient(base_url=lone_api.url, timeout=60, trust_env=False) as client:
        wide = {f"x-{number}": "v" * 250 for number in range(90)}
        answers = [
            await client.get("/health/live", headers=wide),
            await client.get("/health/live", headers={"x-long": "v" * 30_000}),
            await client.get(f"/health/live?long={'v' * 8_000}"),
            # Upgrades to unsupported protocols are ignored.
            await client.get("/health/live", headers={"Connection": "Upgrade", "Upgrade": "websocket"}),
        ]

    assert [answer.status_code for answer in answers] == [200] * 4


async def test_too_many_headers_or_too_long_a_url_is_refused(lone_api: ApiService) -> None:
    async with httpx2.AsyncClient(base_url=lone_api.url, timeout=60, trust_env=False) as client:
        many = await client.get("/health/live", headers={f"x-{number}": "v" for number in range(101)})
        long = await client.get(f"/health/live?long={'v' * 9_000}")

    assert (many.status_code, long.status_code) == (431, 414)


async def test_a_client_that_goes_before_its_body_is_complete_is_no_bug(lone_api: ApiService) -> None:
    path = "/webhooks/test"
    before = len(lone_api.stderr.read_text().splitlines())
    headers = "Host: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100"
    _, writer = await asyncio.open_connection("127.0.0.1", lone_api.port)
    writer.write(f"POST {path} HTTP/1.1\r\n{headers}\r\n\r\n{{".encode())
    await writer.drain()
    # The application is reading the body by the time that a second request is answered.
    async with httpx2.AsyncClient(base_url=lone_api.url, timeout=60, trust_env=False) as client:
        assert (await client.get("/health/live")).status_code == 200
    writer.close()
    await writer.wait_closed()

    def new_lines() -> list[dict[str, object]]:
        return [json.loads(line) for line in lone_api.stderr.read_text().splitlines()[before:]]

    def requests() -> list[dict[str, object]]:
        return [line for line in new_lines() if line["event"] == "request" and line["route"] == path]

    async def is_logged() -> bool:
        return bool(requests())

    await eventually(is_logged, "the request is logged")
    [line] = requests()
    assert (line["status"], line["reason"]) == (499, "client_gone")
    assert [line for line in new_lines() if line["level"] == "error"] == []
