"""The API behind the TLS proxy of docker-compose.yml: streams, the clients' addresses, limits, redirects."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.support.api_service import ApiService, running_api_beside
from tests.support.caddy import Caddy, running_caddy
from tests.support.conditions import eventually
from tests.support.open_runs import create_paused_run, resume_run
from tests.support.sse import open_event_stream
from tests.support.stack import RunningStack

pytestmark = pytest.mark.thorough

KEY = "a key of sixteen characters"
WRONG_KEYS = 5


@dataclass(frozen=True)
class ProxiedApi:
    """An API, and the proxy before it."""

    api: ApiService
    proxy: Caddy

    async def wait_for_requests(self, count: int, **fields: object) -> list[dict[str, object]]:
        """Return the log lines of the requests with these fields, once there are so many: each is written last."""

        async def read_lines() -> list[dict[str, object]] | None:
            whole = [line for line in self.api.stderr.read_text().splitlines(keepends=True) if line.endswith("\n")]
            requests = [
                line for line in map(json.loads, whole) if "peer" in line and fields.items() <= line.items()
            ]
            return requests if len(requests) >= count else None

        return await eventually(read_lines, f"{count} requests with {fields} are logged")


@pytest.fixture(scope="module")
async def proxied(
    shared_stack: RunningStack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ProxiedApi]:
    """An API that trusts the proxy on this machine, as Compose has it trust the proxy's container."""
    variables = {
        "AUTOS_API_KEY": KEY,
        "AUTOS_TRUSTED_PROXIES": "127.0.0.1",
        "AUTOS_WRONG_KEYS_PER_MINUTE": str(WRONG_KEYS),
        "AUTOS_LOG_FORMAT": "json",
    }
    async with (
        running_api_beside(shared_stack, **variables) as api,
        running_caddy(tmp_path_factory.mktemp("caddy"), f"127.0.0.1:{api.port}") as proxy,
    ):
        yield ProxiedApi(api, proxy)


async def test_events_are_passed_on_while_the_stream_is_open(proxied: ProxiedApi, stack: RunningStack) -> None:
    number = await create_paused_run(stack)
    async with proxied.proxy.client("127.0.0.2", key=KEY) as client, open_event_stream(client, number) as stream:
        # The run cannot end yet: a proxy that collected the response would pass nothing on.
        first = await asyncio.wait_for(anext(stream), 30)
        await resume_run(stack, number)
        events = [event async for event in stream]
    assert first.kind == "progress"
    assert events[-1].kind == "ended"


async def test_events_are_passed_on_over_http2(proxied: ProxiedApi, stack: RunningStack) -> None:
    number = await create_paused_run(stack)
    curl = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--no-buffer", "--http2", "--cacert", str(proxied.proxy.root), "--header", "@-"),
        *("--write-out", "HTTP/%{http_version}", f"{proxied.proxy.url}/processes/{number}/events"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert curl.stdin is not None
    assert curl.stdout is not None
    curl.stdin.write(f"Authorization: Bearer {KEY}\n".encode())
    curl.stdin.close()
    await asyncio.wait_for(curl.stdout.readuntil(b"event: progress\n"), 30)
    await resume_run(stack, number)
    rest = await asyncio.wait_for(curl.stdout.read(), 60)
    assert await curl.wait() == 0
    assert b"event: ended\n" in rest
    assert rest.endswith(b"HTTP/2")


async def test_clients_are_known_by_their_own_addresses(proxied: ProxiedApi) -> None:
    async def guess(client: httpx2.AsyncClient) -> int:
        # What a client claims is not believed.
        forwarded = f"198.51.100.{random.randrange(256)}"
        headers = {"Authorization": "Bearer wrong", "X-Forwarded-For": forwarded, "Forwarded": f"for={forwarded}"}
        return (await client.get("/processes", headers=headers)).status_code

    async with proxied.proxy.client("127.0.0.3") as one, proxied.proxy.client("127.0.0.4") as other:
        assert [await guess(one) for _ in range(WRONG_KEYS + 1)] == [401] * WRONG_KEYS + [429]
        assert await guess(other) == 401
    refused = await proxied.wait_for_requests(WRONG_KEYS + 1, status=401)
    refused += await proxied.wait_for_requests(1, status=429)
    assert {line["peer"] for line in refused} == {"127.0.0.3", "127.0.0.4"}


async def test_an_api_that_trusts_no_proxy_ignores_what_it_says(stack: RunningStack, tmp_path: Path) -> None:
    async with (
        running_api_beside(stack, AUTOS_API_KEY=KEY, AUTOS_LOG_FORMAT="json") as api,
        running_caddy(tmp_path, f"127.0.0.1:{api.port}") as proxy,
        proxy.client("127.0.0.2", key=KEY) as client,
    ):
        assert (await client.get("/processes")).status_code == 200
        [line] = await ProxiedApi(api, proxy).wait_for_requests(1, route="/processes")
        assert line["peer"] == "127.0.0.1"


async def test_the_limits_of_the_api_hold_with_its_own_answers(proxied: ProxiedApi) -> None:
    async with proxied.proxy.client("127.0.0.2", key=KEY) as client:
        too_large = await client.post("/batches", json={"process_numbers": ["1" * 100_000]})
        long_head = await client.get("/processes", headers={"X-Long": "1" * 40_000})
        long_url = await client.get(f"/processes?query={'1' * 9_000}")
    assert (too_large.status_code, long_head.status_code, long_url.status_code) == (413, 431, 414)
    assert too_large.json()["code"] == "too_large"


async def test_https_alone_is_served_and_the_session_cookie_says_so(proxied: ProxiedApi) -> None:
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as plain:
        redirect = await plain.get(f"{proxied.proxy.plain_url}/processes")
    assert redirect.status_code in {301, 308}
    assert redirect.headers["location"].startswith("https://localhost")
    async with proxied.proxy.client("127.0.0.2") as client:
        # The page's own form: its origin is https, as the proxy says.
        answer = await client.post("/ui/sign-in", data={"key": KEY}, headers={"Origin": proxied.proxy.url})
        assert answer.status_code == 303
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
