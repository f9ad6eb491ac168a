"""The API without Temporal, the store or the database: it answers what it can, and refuses the rest quickly."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from api.app import create_app
from settings import load_settings
from tests.support.api_service import running_api_beside
from tests.support.numbers import fresh_number
from tests.support.ports import bound_socket
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack

Json = dict[str, Any]

KEY = "a key of sixteen characters"
# An action also waits for a worker. Every other request may take as long as a start.
ACTION_ROUTES = ("/retry", "/pause", "/resume", "/cancel")
ACT_SECONDS, START_SECONDS, DATABASE_SECONDS = 12.0, 3.0, 8.0
NEED_NO_CATALOG = {"/health", "/health/live", "/health/ready", "/metrics", "/problems/{code}"}


@dataclass(frozen=True)
class Stored:
    """Processes of the stack: a complete one, which is the newest, one whose run is paused, and one to erase.

    Attributes:
        values: a value for every parameter of a path.
    """

    complete: str
    paused: str
    erasable: str
    values: dict[str, str]

    def path_of(self, method: str, template: str) -> str:
        """Return the path of a request. What erases does so with a process that no other request names."""
        erases = (method, template) == ("DELETE", "/processes/{number}")
        return template.format(**self.values | ({"number": self.erasable} if erases else {}))


@pytest.fixture(scope="module")
async def stored(shared_stack: RunningStack) -> AsyncIterator[Stored]:
    """The processes. The paused run is cancelled afterwards."""
    paused, complete, erasable = fresh_number(), fresh_number(), await shared_stack.create_ended_run(2)
    await shared_stack.create_process(paused, 200)
    # The run does not end before it is paused.
    await shared_stack.set_latency(1)
    await shared_stack.request_download(paused)
    assert (await shared_stack.api.post(f"/processes/{paused}/pause")).json()["status"] == "processing"
    await shared_stack.set_latency(0)
    await shared_stack.create_process(complete, 3)
    await shared_stack.request_download(complete)
    await shared_stack.wait_until_ended(complete)
    document = (await shared_stack.list_documents(complete))[0]["id"]
    values = {"number": complete, "document_id": document, "code": "sealed"}
    yield Stored(
        complete,
        paused,
        erasable,
        {"batch_id": "0" * 32, "delivery_id": f"evt_{'0' * 32}", "endpoint_id": f"ep_{'0' * 32}"}
        | {"bundle_id": "0" * 64}
        | values,
    )
    await shared_stack.api.post(f"/processes/{paused}/cancel")
    await shared_stack.wait_until_ended(paused)


@pytest.fixture(scope="module")
async def apis_without_temporal(shared_stack: RunningStack) -> AsyncIterator[dict[str, httpx2.AsyncClient]]:
    """Two APIs beside the stack: at their address of Temporal nothing listens, or something that never answers."""
    closed = closed_port()
    with bound_socket() as listener:
        silent = listener.getsockname()[1]
        async with (
            running_api_beside(shared_stack, TEMPORAL_ADDRESS=f"127.0.0.1:{closed}") as first,
            running_api_beside(shared_stack, TEMPORAL_ADDRESS=f"127.0.0.1:{silent}") as second,
            httpx2.AsyncClient(base_url=first.url, timeout=30) as at_closed,
            httpx2.AsyncClient(base_url=second.url, timeout=30) as at_silent,
        ):
            yield {"closed": at_closed, "silent": at_silent}


@asynccontextmanager
async def api_without(stack: RunningStack, **settings: object) -> AsyncIterator[httpx2.AsyncClient]:
    """The stack's API with other settings, inside the tests' own process."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TEMPORAL_ADDRESS", stack.addresses["temporal"])
        app = create_app(load_settings(data_dir=stack.data_dir, api_key=SecretStr(KEY), **settings))
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app),
                base_url="http://127.0.0.1",
                headers={"Authorization": f"Bearer {KEY}"},
            ) as api,
        ):
            yield api


def closed_port() -> int:
    """Return a port on which nothing listens."""
    with bound_socket() as listener:
        port: int = listener.getsockname()[1]
    return port


async def timed_request(
    api: httpx2.AsyncClient, method: str, path: str, **options: Any
) -> tuple[httpx2.Response, float]:
    """Send a request, and return the answer and the seconds that it took."""
    began = time.perf_counter()
    answer = await api.request(method, path, **options)
    return answer, time.perf_counter() - began


def assert_unavailable(answer: httpx2.Response, dependency: str) -> None:
    """Assert that the answer is 503 with the dependency's code and Retry-After."""
    assert (answer.status_code, answer.json()["code"]) == (503, f"{dependency}_unavailable"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1


async def list_operations(api: httpx2.AsyncClient) -> list[tuple[str, str]]:
    """Return every method and path of the OpenAPI description."""
    paths = (await api.get("/openapi.json")).json()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


def body_of(path: str, stored: Stored, *, token: str, hook: str) -> Json:
    """Return the request body of a route, as an argument of a request."""
    bodies: dict[str, Json] = {
        "/processes/{number}/downloads": {"max_age": 0},
        "/batches": {"process_numbers": [stored.complete]},
        "/webhooks/test": {"url": hook},
        "/webhooks/deliveries/redeliver": {"failed_since": "2026-01-01T00:00:00Z"},
        "/court/credentials": {"token": token},
        "/processes/{number}/bundles": {"format": "zip"},
        "/watches": {"process_numbers": [stored.complete]},
    }
    return {"json": bodies[path]} if path in bodies else {}


@pytest.mark.parametrize("temporal", ["closed", "silent"])
async def test_a_complete_process_is_answered_without_temporal(
    apis_without_temporal: dict[str, httpx2.AsyncClient], stored: Stored, temporal: str
) -> None:
    address = f"/processes/{stored.complete}"

    api = apis_without_temporal[temporal]

    async def median_seconds() -> float:
        return statistics.median([(await timed_request(api, "GET", address))[1] for _ in range(11)])

    for query in ({}, {"auto_download": "true"}):
        answer = await api.get(address, params=query)
        assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    async with httpx2.AsyncClient(timeout=60) as reader:
        for document in answer.json()["documents"]:
            assert (await reader.get(document["download_url"])).status_code == 200
    # Three tries, since the machine may be busy with something else for a while.
    assert min([await median_seconds() for _ in range(3)]) < 0.05


@pytest.mark.parametrize("temporal", ["closed", "silent"])
async def test_a_start_without_temporal_is_refused_quickly_and_leaves_nothing(
    stack: RunningStack, apis_without_temporal: dict[str, httpx2.AsyncClient], stored: Stored, temporal: str
) -> None:
    api, unknown = apis_without_temporal[temporal], fresh_number()
    for answer, took in await asyncio.gather(
        timed_request(api, "GET", f"/processes/{unknown}", params={"auto_download": "true"}),
        timed_request(api, "POST", f"/processes/{unknown}/downloads"),
        timed_request(api, "POST", f"/processes/{stored.complete}/downloads", json={"max_age": 0}),
        timed_request(api, "POST", "/batches", json={"process_numbers": [unknown]}),
    ):
        assert_unavailable(answer, "temporal")
        assert took < START_SECONDS
    assert (await api.get(f"/processes/{unknown}")).status_code == 404
    assert await stack.list_run_ids(unknown) == []


@pytest.mark.parametrize("temporal", ["closed", "silent"])
async def test_what_the_catalog_knows_is_answered_without_temporal(
    apis_without_temporal: dict[str, httpx2.AsyncClient], stored: Stored, temporal: str
) -> None:
    api = apis_without_temporal[temporal]
    for address in (
        *(f"/processes/{stored.complete}{rest}" for rest in ("/status", "/documents", "/events")),
        *(f"/processes/{stored.paused}/documents", "/failures", "/court/status", "/webhooks/deliveries"),
        *(f"/ui/processes/{stored.complete}", "/metrics", "/health/live", "/openapi.json"),
        # The list asks Temporal only about runs without an end, and the newest process has none.
        "/processes?limit=1",
    ):
        answer, took = await timed_request(api, "GET", address)
        assert (answer.status_code, took < 1) == (200, True), f"{address}: {answer.status_code} in {took:.1f} s"
    # Only Temporal knows whether a run is open.
    *refused, (page, _), (ready, _) = answers = await asyncio.gather(
        timed_request(api, "GET", f"/processes/{stored.paused}"),
        timed_request(api, "GET", f"/processes/{stored.paused}/events"),
        timed_request(api, "GET", "/processes"),
        timed_request(api, "GET", "/"),
        timed_request(api, "GET", "/health/ready"),
    )
    for answer, _ in refused:
        assert_unavailable(answer, "temporal")
    assert (page.status_code, "Retry-After" in page.headers) == (503, True)
    assert max(took for _, took in answers) < START_SECONDS + 1
    assert {part: state == "ok" for part, state in ready.json()["parts"].items()} == {
        "database": True,
        "storage": True,
        "temporal": False,
    }


async def test_no_route_hangs_without_temporal(
    stack: RunningStack, apis_without_temporal: dict[str, httpx2.AsyncClient], stored: Stored, receiver: Receiver
) -> None:
    token = (await stack.create_court_token())["token"]
    requests = [
        (api, method, path) for api in apis_without_temporal.values() for method, path in await list_operations(api)
    ]
    answers = await asyncio.gather(
        *(
            timed_request(
                api,
                method,
                stored.path_of(method, path),
                **body_of(path, stored, token=token, hook=f"{receiver.url}/away"),
            )
            for api, method, path in requests
        )
    )
    for (_, method, path), (answer, took) in zip(requests, answers, strict=True):
        assert took < (ACT_SECONDS if path.endswith(ACTION_ROUTES) else START_SECONDS + 1), (
            f"{method} {path}: {took:.1f} s"
        )
        if path != "/health/ready" and answer.status_code >= 500:
            assert_unavailable(answer, "temporal")


async def test_without_the_store_reads_are_answered_and_readiness_fails(
    stack: RunningStack, stored: Stored
) -> None:
    async with api_without(stack, s3_endpoint_url=f"http://127.0.0.1:{closed_port()}") as api:
        for rest in ("", "?auto_download=true", "/documents", "/status"):
            assert (await api.get(f"/processes/{stored.complete}{rest}")).status_code == 200
        assert (await api.get(f"/ui/processes/{stored.complete}")).status_code == 200
        ready, took = await timed_request(api, "GET", "/health/ready")
        assert (ready.status_code, ready.json()["code"], took < 5) == (503, "not_ready", True)
        assert [part for part, state in ready.json()["parts"].items() if state != "ok"] == ["storage"]


async def test_without_the_database_every_route_is_refused_quickly(stack: RunningStack, stored: Stored) -> None:
    database_url = f"postgresql://a:b@127.0.0.1:{closed_port()}/autos"
    async with api_without(stack, database_url=database_url, webhook_allow_private=True) as api:
        requests = await list_operations(api)
        slots = asyncio.Semaphore(8)

        async def send(method: str, path: str) -> tuple[httpx2.Response, float]:
            body = body_of(path, stored, token="a.b.c", hook="http://127.0.0.1:9/")
            async with slots:
                return await timed_request(api, method, path.format(**stored.values), **body)

        answers = await asyncio.gather(*(send(method, path) for method, path in requests))
        for (method, path), (answer, took) in zip(requests, answers, strict=True):
            assert took < DATABASE_SECONDS, f"{method} {path}: {took:.1f} s"
            if path not in NEED_NO_CATALOG:
                assert_unavailable(answer, "database")
        page = await api.get("/")
        assert (page.status_code, "Retry-After" in page.headers) == (503, True)


async def test_a_database_that_never_answers_is_given_up_after_one_timeout(
    stack: RunningStack, stored: Stored
) -> None:
    with bound_socket() as listener:
        silent = listener.getsockname()[1]
        async with api_without(stack, database_url=f"postgresql://a:b@127.0.0.1:{silent}/autos") as api:
            for answer, took in await asyncio.gather(
                timed_request(api, "GET", f"/processes/{stored.complete}"),
                timed_request(api, "POST", f"/processes/{stored.complete}/downloads"),
            ):
                assert_unavailable(answer, "database")
                assert took < DATABASE_SECONDS
