"""Fuzzing: no request is answered with an internal error, neither through the application nor over a socket."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2
import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from api.app import create_app
from api.problems.codes import ProblemCode
from domain.completeness import Outcome
from domain.run_messages import RunClosing, RunEnding, RunOpening
from settings import load_settings
from tests.e2e.rest.fuzz_requests import DOCUMENT, KEY, MALFORMED_REQUESTS, NUMBER, list_route_paths, requests
from tests.support.listings import listing_of, stored_object
from tests.support.ports import bound_socket
from tests.support.stack import RunningStack

CODES = {code.value for code in ProblemCode}


# Allowed codes of a 503: Temporal and the store are not there.
UNAVAILABLE_CODES = {"temporal_unavailable", "not_ready"}


@dataclass(frozen=True)
class Service:
    """The application with its lifespan running, and a client of it."""

    app: FastAPI
    http: httpx2.AsyncClient


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The whole application over a catalog with one complete process, without Temporal and without a store."""
    folder = tmp_path_factory.mktemp("fuzz")
    database = f"sqlite+aiosqlite:///{folder / 'autos.db'}"
    await asyncio.to_thread(upgrade, database)
    await _create_complete_process(Catalog(Database(database)))
    with bound_socket() as listener:
        closed = listener.getsockname()[1]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed}")
        app = create_app(
            load_settings(
                data_dir=folder,
                database_url=database,
                api_key=SecretStr(KEY),
                secret_key=SecretStr(Fernet.generate_key().decode()),
                s3_endpoint_url=f"http://127.0.0.1:{closed}",
                s3_access_key_id="nobody",
                s3_secret_access_key=SecretStr("nothing"),
                webhook_allow_private=True,
            )
        )
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
                yield Service(app, http)


async def _create_complete_process(catalog: Catalog) -> None:
    run = RunOpening(NUMBER, "6f0c9a52-3b1d-4f6e-9a57-20d1c8e4b7aa", "desk")
    await catalog.runs.open(run)
    await catalog.listings.record(listing_of(NUMBER, [DOCUMENT]))
    await catalog.documents.mark_available(NUMBER, DOCUMENT, stored_object(NUMBER, DOCUMENT))
    await catalog.runs.close(RunClosing(NUMBER, run.run_id, RunEnding(Outcome.COMPLETED)))
    await catalog.close()


def assert_answered(request: httpx2.Request, answer: httpx2.Response) -> None:
    """Assert that the answer is no internal error, and that an error of the API is a known problem document."""
    exchange = (
        f"{request.method} {request.url!r} {request.headers.raw} {request.content[:300]!r}: {answer.status_code}"
    )
    assert "x-request-id" in answer.headers, exchange
    assert answer.status_code not in (500, 501, 502, 504), exchange
    if answer.status_code < 400 or request.method == "HEAD":
        return
    kind = answer.headers["content-type"]
    if kind.startswith("text/html"):  # An error page for people.
        assert request.url.path == "/" or request.url.path.startswith("/ui/"), exchange
        return
    assert kind == "application/problem+json", exchange
    problem = answer.json()
    assert problem["code"] in CODES, exchange
    assert (problem["status"], problem["request_id"]) == (answer.status_code, answer.headers["x-request-id"]), (
        exchange
    )
    assert answer.status_code != 503 or problem["code"] in UNAVAILABLE_CODES, exchange


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(st.data())
async def test_no_request_is_answered_with_an_internal_error(service: Service, data: st.DataObject) -> None:
    request = data.draw(requests(list_route_paths(service.app)))
    assert_answered(request, await service.http.send(request))


async def test_malformed_requests_over_a_socket_do_not_break_the_api(stack: RunningStack) -> None:
    host, port = urlsplit(stack.addresses["api"]).hostname, urlsplit(stack.addresses["api"]).port
    before = stack.get_pid("api")

    async def send(malformed: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(malformed)
            writer.write_eof()
            return await asyncio.wait_for(reader.read(), 60)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    answers = await asyncio.gather(*(send(malformed) for malformed in MALFORMED_REQUESTS))
    for malformed, answer in zip(MALFORMED_REQUESTS, answers, strict=True):
        assert re.match(rb"HTTP/1.1 [234]|$", answer), (malformed[:80], answer[:200])
    assert sum(answer.startswith(b"HTTP/1.1 4") for answer in answers) > len(answers) / 2
    assert (await stack.api.get("/health/live")).status_code == 200
    assert stack.get_pid("api") == before
