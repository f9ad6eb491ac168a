"""The lists without a stack: what they ask of Temporal, how far they look, what they withhold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI, Request

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.security.rate_limits import RateLimiter
from adapters.storage.presigned_urls import LinkSigner
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
from domain.run_messages import RunClosing, RunEnding, RunOpening
from domain.secrecy import Secrecy
from tests.support.listings import document_ids, listed, listing_of, stored_object
from tests.support.numbers import fresh_number
from tests.support.ports import bound_socket

PATIENCE_SECONDS = 0.3


class OneClient(Authenticator):
    """Lets one client in, whoever asks."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(None, "http://127.0.0.1", catalog.clients, RateLimiter())
        self.client = Client("local", ALL_SCOPES)

    async def authenticate(self, request: Request, key: str | None, *, of_session: bool = False) -> Client:
        """The client."""
        return self.client


@dataclass(frozen=True)
class Desk:
    """The lists over a catalog of their own, with a Temporal that takes connections and never says a word."""

    http: httpx.AsyncClient
    catalog: Catalog
    door: OneClient

    async def get(self, address: str) -> dict[str, Any]:
        """An answer of 200."""
        answer = await self.http.get(address)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def completed(self) -> str:
        """A process whose one document is stored; gives its number."""
        number, [document_id] = fresh_number(), document_ids(1)
        opening = RunOpening(number, str(uuid4()), "local")
        await self.catalog.runs.open(opening)
        await self.catalog.listings.record(listing_of(number, [document_id]))
        await self.catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
        await self.catalog.runs.close(RunClosing(number, opening.run_id, RunEnding(Outcome.COMPLETED)))
        return number

    async def begun(self) -> str:
        """A process whose run has not told of its end; gives its number."""
        number = fresh_number()
        await self.catalog.runs.open(RunOpening(number, str(uuid4()), "local"))
        return number


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """A desk with nothing on it."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))
    monkeypatch.setattr(errors, "TOTAL_TIMEOUT_SECONDS", PATIENCE_SECONDS)
    app, door = FastAPI(), OneClient(catalog)
    app.state.authenticator = door
    install_problem_handlers(app)
    app.include_router(lists.router)
    with bound_socket() as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", "{}:{}".format(*silent.getsockname()))
        # No link is signed for a list.
        presenter = ProcessPresenter(catalog, cast("LinkSigner", None), RunClient(await connect(lazy=True)))
        app.state.lists = ListService(catalog, presenter)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http:
            yield Desk(http, catalog, door)
    await catalog.close()


async def test_temporal_is_asked_only_for_runs_without_an_end(desk: Desk) -> None:
    done = await desk.completed()
    began = time.monotonic()
    [summary] = (await desk.get("/processes"))["processes"]
    assert (summary["process_number"], summary["status"]) == (done, "completed")
    assert time.monotonic() - began < PATIENCE_SECONDS

    await desk.begun()
    answer = await desk.http.get("/processes")
    assert (answer.status_code, answer.json()["code"]) == (503, "temporal_unavailable")


async def test_many_open_runs_wait_for_a_silent_temporal_together(desk: Desk) -> None:
    for _ in range(40):
        await desk.begun()
    began = time.monotonic()
    assert (await desk.http.get("/processes")).status_code == 503
    assert time.monotonic() - began < 4 * PATIENCE_SECONDS


async def test_a_rare_status_is_looked_for_so_far_and_the_next_page_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = fresh_number()
    opening = RunOpening(number, str(uuid4()), "local")
    await desk.catalog.runs.open(opening)
    await desk.catalog.runs.close(
        RunClosing(number, opening.run_id, RunEnding(Outcome.FAILED, FailureCode.NOT_FOUND))
    )
    for _ in range(7):
        await desk.completed()
    monkeypatch.setattr(list_service, "_CHUNK_SIZE", 2)
    monkeypatch.setattr(list_service, "_MAX_CHUNKS", 2)

    first = await desk.get("/processes?status=failed&court=TJMT&limit=5")
    assert first["processes"] == []
    assert "status=failed&court=TJMT" in first["processes_next"]
    assert first["next_cursor"] in first["processes_next"]
    second = await desk.get(first["processes_next"])
    assert [summary["process_number"] for summary in second["processes"]] == [number]
    assert second["next_cursor"] is second["processes_next"] is None


@pytest.mark.parametrize("group", [1, 2, 3, 10])
async def test_pages_of_a_status_lose_nothing_and_repeat_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    monkeypatch.setattr(list_service, "_CHUNK_SIZE", group)
    numbers = []
    for _ in range(4):
        numbers.append(await desk.completed())
        await desk.catalog.listings.record(listing_of(fresh_number(), document_ids(1)))
    found: list[str] = []
    address: str | None = "/processes?status=completed&limit=2"
    while address:
        page = await desk.get(address)
        assert len(page["processes"]) <= 2
        found += [summary["process_number"] for summary in page["processes"]]
        address = page["processes_next"]
    assert found == numbers[::-1]


async def test_names_above_public_secrecy_need_the_scope_for_them(desk: Desk) -> None:
    number, ids = fresh_number(), document_ids(2)
    documents = [
        replace(listed(document_id), secrecy=secrecy, type_name="Petição")
        for document_id, secrecy in zip(ids, (Secrecy.PUBLIC, Secrecy.MEDIUM), strict=True)
    ]
    await desk.catalog.listings.record(listing_of(number, documents))
    for document_id in ids:
        await desk.catalog.documents.record_failed_attempt(
            number, document_id, FailureCode.SEALED, "HTTP 403", allowed_attempts=1
        )

    async def names() -> list[tuple[str, str | None, str | None]]:
        failures = (await desk.get("/failures"))["failures"]
        shown = [failure["document"] for failure in failures]
        return [(document["id"], document["name"], document["type"]) for document in shown]

    public, secret = (ids[0], "Petição.pdf", "Petição"), (ids[1], "Petição.pdf", "Petição")
    assert await names() == [secret, public]
    desk.door.client = Client("reader", frozenset({Scope.READ}))
    assert await names() == [(ids[1], None, None), public]
    desk.door.client = Client("blind", frozenset({Scope.SEALED}))
    for address in ("/failures", "/processes"):
        assert (await desk.http.get(address)).json()["code"] == "forbidden"
