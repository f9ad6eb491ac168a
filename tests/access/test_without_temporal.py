"""With a part away, what does not need it is answered as ever, and what does is refused soon."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from api.app import create_app
from settings import load_settings
from tests.support.another_api import another_api
from tests.support.numbers import fresh_number
from tests.support.ports import bound_socket
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack

Json = dict[str, Any]

KEY = "a key of sixteen characters"
# An act waits for a worker, too: so long at most. Everything else has the seconds of a start.
ACTS = ("/retry", "/pause", "/resume", "/cancel")
ACT_SECONDS, START_SECONDS, DATABASE_SECONDS = 12.0, 3.0, 8.0
NEED_NO_CATALOG = {"/health/live", "/health/ready", "/metrics", "/problems/{code}"}


@dataclass(frozen=True)
class Stored:
    """What the stack has: a process that is complete, known last, and one whose run is paused."""

    complete: str
    paused: str
    values: dict[str, str]


@pytest.fixture(scope="module")
async def stored(shared_stack: RunningStack) -> AsyncIterator[Stored]:
    """Both processes; the paused one is cancelled in the end."""
    paused, complete = fresh_number(), fresh_number()
    await shared_stack.prepare(paused, 200)
    await shared_stack.request(paused)
    assert (await shared_stack.api.post(f"/processes/{paused}/pause")).json()["status"] == "processing"
    await shared_stack.prepare(complete, 3)
    await shared_stack.request(complete)
    await shared_stack.ended(complete)
    document = (await shared_stack.documents(complete))[0]["id"]
    values = {"number": complete, "document_id": document, "code": "sealed"}
    yield Stored(
        complete,
        paused,
        {"batch_id": "0" * 32, "delivery_id": f"evt_{'0' * 32}", "endpoint_id": f"ep_{'0' * 32}"} | values,
    )
    await shared_stack.api.post(f"/processes/{paused}/cancel")
    await shared_stack.ended(paused)


@pytest.fixture(scope="module")
async def lonely(shared_stack: RunningStack) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """Two API processes of the stack: where they look for Temporal nobody listens, or somebody who never speaks."""
    with bound_socket() as gone:
        closed = gone.getsockname()[1]
    with bound_socket() as listener:
        silent = listener.getsockname()[1]
        async with (
            another_api(shared_stack, TEMPORAL_ADDRESS=f"127.0.0.1:{closed}") as first,
            another_api(shared_stack, TEMPORAL_ADDRESS=f"127.0.0.1:{silent}") as second,
            httpx.AsyncClient(base_url=first, timeout=30) as at_closed,
            httpx.AsyncClient(base_url=second, timeout=30) as at_silent,
        ):
            yield {"closed": at_closed, "silent": at_silent}


@asynccontextmanager
async def api_without(stack: RunningStack, **settings: object) -> AsyncIterator[httpx.AsyncClient]:
    """The stack's API with other settings, in this process."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TEMPORAL_ADDRESS", stack.addresses["temporal"])
        app = create_app(load_settings(data_dir=stack.data_dir, api_key=SecretStr(KEY), **settings))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://127.0.0.1",
                headers={"Authorization": f"Bearer {KEY}"},
            ) as api,
        ):
            yield api


def closed_port() -> int:
    """A port at which nobody listens."""
    with bound_socket() as listener:
        port: int = listener.getsockname()[1]
    return port


async def timed(asking: httpx.AsyncClient, method: str, path: str, **more: Any) -> tuple[httpx.Response, float]:
    """An answer, and the seconds that it took."""
    began = time.perf_counter()
    answer = await asking.request(method, path, **more)
    return answer, time.perf_counter() - began


def assert_away(answer: httpx.Response, part: str) -> None:
    """The answer is that a part does not answer, and when to ask again."""
    assert (answer.status_code, answer.json()["code"]) == (503, f"{part}_unavailable"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1


async def operations(api: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Every method and path that the API describes."""
    paths = (await api.get("/openapi.json")).json()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


def body_of(path: str, stored: Stored, *, token: str, hook: str) -> Json:
    """What a route is sent."""
    bodies: dict[str, Json] = {
        "/processes/{number}/downloads": {"max_age": 0},
        "/batches": {"process_numbers": [stored.complete]},
        "/webhooks/test": {"url": hook},
        "/webhooks/deliveries/redeliver": {"failed_since": "2026-01-01T00:00:00Z"},
        "/court/credentials": {"token": token},
    }
    return {"json": bodies[path]} if path in bodies else {}


@pytest.mark.parametrize("temporal", ["closed", "silent"])
async def test_a_complete_process_is_answered_at_once_with_links_that_open(
    lonely: dict[str, httpx.AsyncClient], stored: Stored, temporal: str
) -> None:
    address = f"/processes/{stored.complete}"

    async def median() -> float:
        return statistics.median([(await timed(lonely[temporal], "GET", address))[1] for _ in range(11)])

    for query in ({}, {"auto_download": "true"}):
        answer = await lonely[temporal].get(address, params=query)
        assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    async with httpx.AsyncClient() as reader:
        for document in answer.json()["documents"]:
            assert (await reader.get(document["download_url"])).status_code == 200
    # A machine that is busy with something else for a while is given another chance.
    assert min([await median() for _ in range(3)]) < 0.05


@pytest.mark.parametrize("temporal", ["closed", "silent"])
async def test_a_start_is_refused_soon_and_leaves_nothing(
    stack: RunningStack, lonely: dict[str, httpx.AsyncClient], stored: Stored, temporal: str
) -> None:
    api, unknown = lonely[temporal], fresh_number()
    for answer, took in await asyncio.gather(
        timed(api, "GET", f"/processes/{unknown}", params={"auto_download": "true"}),
        timed(api, "POST", f"/processes/{unknown}/downloads"),
        timed(api, "POST", f"/processes/{stored.complete}/downloads", json={"max_age": 0}),
        timed(api, "POST", "/batches", json={"process_numbers": [unknown]}),
    ):
        assert_away(answer, "temporal")
        assert took < START_SECONDS
    assert (await api.get(f"/processes/{unknown}")).status_code == 404
    assert await stack.runs(unknown) == []


@pytest.mark.parametrize("temporal", ["closed", "silent"])
async def test_what_the_catalog_knows_by_itself_is_answered(
    lonely: dict[str, httpx.AsyncClient], stored: Stored, temporal: str
) -> None:
    api = lonely[temporal]
    for address in (
        *(f"/processes/{stored.complete}{rest}" for rest in ("/status", "/documents", "/events")),
        *(f"/processes/{stored.paused}/documents", "/failures", "/court/status", "/webhooks/deliveries"),
        *(f"/ui/processes/{stored.complete}", "/metrics", "/health/live", "/openapi.json"),
        # The list asks Temporal for runs without an end alone: the newest process has none.
        "/processes?limit=1",
    ):
        answer, took = await timed(api, "GET", address)
        assert (answer.status_code, took < 1) == (200, True), f"{address}: {answer.status_code} in {took:.1f} s"
    # Whether a run goes on, Temporal alone can tell.
    *refused, (page, _), (ready, _) = answers = await asyncio.gather(
        timed(api, "GET", f"/processes/{stored.paused}"),
        timed(api, "GET", f"/processes/{stored.paused}/events"),
        timed(api, "GET", "/processes"),
        timed(api, "GET", "/"),
        timed(api, "GET", "/health/ready"),
    )
    for answer, _ in refused:
        assert_away(answer, "temporal")
    assert (page.status_code, "Retry-After" in page.headers) == (503, True)
    assert max(took for _, took in answers) < START_SECONDS + 1
    assert {part: state == "ok" for part, state in ready.json()["parts"].items()} == {
        "database": True,
        "storage": True,
        "temporal": False,
    }


async def test_no_route_hangs_without_temporal(
    stack: RunningStack, lonely: dict[str, httpx.AsyncClient], stored: Stored, receiver: Receiver
) -> None:
    token = (await stack.simulator.post("/_simulator/token")).json()["token"]
    asked = [(api, method, path) for api in lonely.values() for method, path in await operations(api)]
    answers = await asyncio.gather(
        *(
            timed(
                api,
                method,
                path.format(**stored.values),
                **body_of(path, stored, token=token, hook=f"{receiver.url}/away"),
            )
            for api, method, path in asked
        )
    )
    for (_, method, path), (answer, took) in zip(asked, answers, strict=True):
        assert took < (ACT_SECONDS if path.endswith(ACTS) else START_SECONDS + 1), f"{method} {path}: {took:.1f} s"
        if path != "/health/ready" and answer.status_code >= 500:
            assert_away(answer, "temporal")


async def test_without_the_store_reads_are_answered_and_readiness_names_it(
    stack: RunningStack, stored: Stored
) -> None:
    async with api_without(stack, s3_endpoint_url=f"http://127.0.0.1:{closed_port()}") as api:
        for rest in ("", "?auto_download=true", "/documents", "/status"):
            assert (await api.get(f"/processes/{stored.complete}{rest}")).status_code == 200
        assert (await api.get(f"/ui/processes/{stored.complete}")).status_code == 200
        ready, took = await timed(api, "GET", "/health/ready")
        assert (ready.status_code, ready.json()["code"], took < 5) == (503, "not_ready", True)
        assert [part for part, state in ready.json()["parts"].items() if state != "ok"] == ["storage"]


async def test_without_the_database_every_route_says_so_soon(stack: RunningStack, stored: Stored) -> None:
    database_url = f"postgresql://a:b@127.0.0.1:{closed_port()}/autos"
    async with api_without(stack, database_url=database_url, webhook_allow_private=True) as api:
        asked = await operations(api)
        turns = asyncio.Semaphore(8)

        async def one(method: str, path: str) -> tuple[httpx.Response, float]:
            body = body_of(path, stored, token="a.b.c", hook="http://127.0.0.1:9/")
            async with turns:
                return await timed(api, method, path.format(**stored.values), **body)

        answers = await asyncio.gather(*(one(method, path) for method, path in asked))
        for (method, path), (answer, took) in zip(asked, answers, strict=True):
            assert took < DATABASE_SECONDS, f"{method} {path}: {took:.1f} s"
            if path not in NEED_NO_CATALOG:
                assert_away(answer, "database")
        page = await api.get("/")
        assert (page.status_code, "Retry-After" in page.headers) == (503, True)


async def test_a_database_that_never_speaks_is_waited_for_once(stack: RunningStack, stored: Stored) -> None:
    with bound_socket() as listener:
        silent = listener.getsockname()[1]
        async with api_without(stack, database_url=f"postgresql://a:b@127.0.0.1:{silent}/autos") as api:
            for answer, took in await asyncio.gather(
                timed(api, "GET", f"/processes/{stored.complete}"),
                timed(api, "POST", f"/processes/{stored.complete}/downloads"),
            ):
                assert_away(answer, "database")
                assert took < DATABASE_SECONDS
