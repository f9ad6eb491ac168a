"""The list routes without a stack: calls to Temporal, the scan limit, withheld names."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI, Request

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.security.rate_limits import RateLimiter
from adapters.storage.link_issuer import LinkIssuer
from adapters.temporal import errors
from adapters.temporal.connection import connect
from adapters.temporal.run_client import RunClient
from api.auth import Authenticator
from api.presenters import ProcessPresenter
from api.problems.handlers import install_problem_handlers
from api.routes import lists
from api.services import lists as list_service
from api.services.lists import ListService
from domain.clients import ALL_SCOPES, Client, Scope
from domain.completeness import Outcome
from domain.errors import FailureCode
from domain.open_runs import OpenRun
from domain.process_number import ProcessNumber
from domain.run_messages import RunClosing, RunEnding, RunOpening
from domain.secrecy import Secrecy
from tests.support.listings import document_ids, listed, listing_of, stored_object
from tests.support.numbers import fresh_number
from tests.support.ports import bound_socket

TIMEOUT_SECONDS = 0.3


class SingleClientAuthenticator(Authenticator):
    """An authenticator that returns one client for every request."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(None, "http://127.0.0.1", catalog.clients, RateLimiter())
        self.client = Client("local", ALL_SCOPES)

    async def authenticate(self, request: Request, key: str | None, *, of_session: bool = False) -> Client:
        """Return the client."""
        return self.client


class CountingRunClient(RunClient):
    """A client of Temporal that counts how many runs it was asked for."""

    asked = 0

    async def find_open(self, number: ProcessNumber) -> OpenRun | None:
        """Return the open run of a process, or None."""
        self.asked += 1
        return await super().find_open(number)


@dataclass(frozen=True)
class ListsApi:
    """The list routes over an empty catalog and a Temporal that accepts connections and never answers.

    Attributes:
        temporal: Where Temporal listens.
    """

    http: httpx2.AsyncClient
    catalog: Catalog
    authenticator: SingleClientAuthenticator
    runs: CountingRunClient
    temporal: socket.socket

    def temporal_was_called(self) -> bool:
        """Return whether somebody has connected to Temporal."""
        self.temporal.setblocking(False)
        try:
            connection, _ = self.temporal.accept()
        except BlockingIOError:
            return False
        connection.close()
        return True

    async def get(self, address: str) -> dict[str, Any]:
        """Return the body of a 200 response."""
        answer = await self.http.get(address)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def create_completed_process(self) -> str:
        """Create a process whose only document is stored and whose run has ended. Return its number."""
        number, [document_id] = fresh_number(), document_ids(1)
        opening = RunOpening(number, str(uuid4()), "local")
        await self.catalog.runs.open(opening)
        await self.catalog.listings.record(listing_of(number, [document_id]))
        await self.catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
        await self.catalog.runs.close(RunClosing(number, opening.run_id, RunEnding(Outcome.COMPLETED)))
        return number

    async def create_process_with_open_run(self) -> str:
        """Create a process whose run has no recorded end. Return its number."""
        number = fresh_number()
        await self.catalog.runs.open(RunOpening(number, str(uuid4()), "local"))
        return number


@pytest.fixture
async def lists_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ListsApi]:
    """The list routes over an empty catalog."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))
    monkeypatch.setattr(errors, "TOTAL_TIMEOUT_SECONDS", TIMEOUT_SECONDS)
    app, authenticator = FastAPI(), SingleClientAuthenticator(catalog)
    app.state.authenticator = authenticator
    install_problem_handlers(app)
    app.include_router(lists.router)
    with bound_socket() as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", "{}:{}".format(*silent.getsockname()))
        runs = CountingRunClient(await connect(lazy=True))
        # Lists contain no presigned URLs, so no issuer is needed.
        presenter = ProcessPresenter(catalog, cast("LinkIssuer", None), runs)
        app.state.lists = ListService(catalog, presenter)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1") as http:
            yield ListsApi(http, catalog, authenticator, runs, silent)
    await catalog.close()


async def test_list_calls_temporal_only_for_runs_without_a_recorded_end(lists_api: ListsApi) -> None:
    completed = await lists_api.create_completed_process()
    [summary] = (await lists_api.get("/processes"))["processes"]
    assert (summary["process_number"], summary["status"]) == (completed, "completed")
    assert (lists_api.runs.asked, lists_api.temporal_was_called()) == (0, False)

    await lists_api.create_process_with_open_run()
    answer = await lists_api.http.get("/processes")
    assert (answer.status_code, answer.json()["code"]) == (503, "temporal_unavailable")
    assert lists_api.runs.asked == 1


async def test_list_waits_once_for_temporal_whatever_the_number_of_open_runs(lists_api: ListsApi) -> None:
    for _ in range(40):
        await lists_api.create_process_with_open_run()
    assert (await lists_api.http.get("/processes")).status_code == 503
    # Those that are asked for at the same time. Nobody waits for one after them.
    assert 0 < lists_api.runs.asked <= list_service._CONCURRENT_TEMPORAL_CALLS < 40


async def test_list_stops_at_the_scan_limit_and_the_next_page_continues(
    lists_api: ListsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = fresh_number()
    opening = RunOpening(number, str(uuid4()), "local")
    await lists_api.catalog.runs.open(opening)
    await lists_api.catalog.runs.close(
        RunClosing(number, opening.run_id, RunEnding(Outcome.FAILED, FailureCode.NOT_FOUND))
    )
    for _ in range(7):
        await lists_api.create_completed_process()
    monkeypatch.setattr(list_service, "_CHUNK_SIZE", 2)
    monkeypatch.setattr(list_service, "_MAX_CHUNKS", 2)

    first = await lists_api.get("/processes?status=failed&court=TJMT&limit=5")
    assert first["processes"] == []
    assert "status=failed&court=TJMT" in first["processes_next"]
    assert first["next_cursor"] in first["processes_next"]
    second = await lists_api.get(first["processes_next"])
    assert [summary["process_number"] for summary in second["processes"]] == [number]
    assert second["next_cursor"] is second["processes_next"] is None


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 10])
async def test_pages_of_a_status_skip_nothing_and_repeat_nothing(
    lists_api: ListsApi, monkeypatch: pytest.MonkeyPatch, chunk_size: int
) -> None:
    monkeypatch.setattr(list_service, "_CHUNK_SIZE", chunk_size)
    numbers = []
    for _ in range(4):
        numbers.append(await lists_api.create_completed_process())
        await lists_api.catalog.listings.record(listing_of(fresh_number(), document_ids(1)))
    listed_numbers: list[str] = []
    address: str | None = "/processes?status=completed&limit=2"
    while address:
        page = await lists_api.get(address)
        assert len(page["processes"]) <= 2
        listed_numbers += [summary["process_number"] for summary in page["processes"]]
        address = page["processes_next"]
    assert listed_numbers == numbers[::-1]


async def test_names_of_secret_documents_need_the_sealed_scope(lists_api: ListsApi) -> None:
    number, ids = fresh_number(), document_ids(2)
    documents = [
        replace(listed(document_id), secrecy=secrecy, type_name="Petição")
        for document_id, secrecy in zip(ids, (Secrecy.PUBLIC, Secrecy.MEDIUM), strict=True)
    ]
    await lists_api.catalog.listings.record(listing_of(number, documents))
    for document_id in ids:
        await lists_api.catalog.documents.record_failed_attempt(
            number, document_id, FailureCode.SEALED, "HTTP 403", allowed_attempts=1
        )

    async def list_names() -> list[tuple[str, str | None, str | None]]:
        failures = (await lists_api.get("/failures"))["failures"]
        shown = [failure["document"] for failure in failures]
        return [(document["id"], document["name"], document["type"]) for document in shown]

    public, secret = (ids[0], "Petição.pdf", "Petição"), (ids[1], "Petição.pdf", "Petição")
    assert await list_names() == [secret, public]
    lists_api.authenticator.client = Client("reader", frozenset({Scope.READ}))
    assert await list_names() == [(ids[1], None, None), public]
    lists_api.authenticator.client = Client("blind", frozenset({Scope.SEALED}))
    for address in ("/failures", "/processes"):
        assert (await lists_api.http.get(address)).json()["code"] == "forbidden"
