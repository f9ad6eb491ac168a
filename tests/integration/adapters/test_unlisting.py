"""What the court no longer shows is marked as unlisted at once, and only the next listing undoes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import pytest
from structlog.testing import capture_logs
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.court import CourtActivities
from activities.court_circuit import CourtCircuitBreaker
from activities.court_tokens import CourtTokens
from activities.store_circuit import StoreCircuitBreaker
from adapters.content.media_types import choose_media_type, detect_media_type
from adapters.content.pdf_inspection import PdfInspector
from adapters.court_pdpj import PdpjClient
from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from domain.clients import Scope
from domain.completeness import Completeness, Outcome
from domain.documents import Document
from domain.errors import FailureCode
from domain.run_messages import ListingSummary, ProcessRef, RunClosing, RunEnding, RunOpening
from domain.secrecy import is_withheld
from tests.integration.adapters.conftest import NewDatabase
from tests.support.court_rate_limiters import CountingRateLimiter
from tests.support.listings import document_ids, listing_of, stored_object
from tests.support.portal_json import NUMBER, details, piece, stage
from tests.support.scripted_server import ReceivedRequest, answer, scripted

if TYPE_CHECKING:
    from adapters.storage import ObjectStore

NO_ACCESS = '{"message": "Usuário não possui acesso ao processo"}'.encode()
NO_RECORDS = '{"code": 404, "message": "Não foram encontrados registros"}'.encode()
DOWN = answer(503)
READER = frozenset({Scope.READ})


async def read_documents(catalog: Catalog, number: str) -> dict[str, Document]:
    """Return the documents of a process that count, by id."""
    return {document.id: document for document in await catalog.documents.page(number, limit=100)}


async def fail_run(catalog: Catalog, number: str, code: FailureCode) -> None:
    """Open a run of a process, and close it as failed with a code."""
    opening = RunOpening(number, str(uuid4()), "local")
    await catalog.runs.open(opening)
    await catalog.runs.close(RunClosing(number, opening.run_id, RunEnding(Outcome.FAILED, code, "HTTP 401")))


@pytest.mark.parametrize("code", [FailureCode.NO_ACCESS, FailureCode.NOT_FOUND])
async def test_a_run_without_access_withholds_all_documents_until_the_next_listing(
    catalog: Catalog, number: str, code: FailureCode
) -> None:
    [document_id] = document_ids(1)
    await catalog.listings.record(listing_of(number, [document_id]))
    await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
    await fail_run(catalog, number, code)
    since = (await read_documents(catalog, number))[document_id].unlisted_at
    assert since is not None
    # Later failures do not change since when it is unlisted, and nothing is deleted.
    for later in (FailureCode.LISTING_UNAVAILABLE, FailureCode.INVALID_LISTING, code):
        await fail_run(catalog, number, later)
        [document] = (await read_documents(catalog, number)).values()
        assert (document.unlisted_at, is_withheld(document, READER)) == (since, True)
        assert document.stored == stored_object(number, document_id)
    assert (await catalog.processes.count_documents(number)).available == 1
    await catalog.listings.record(listing_of(number, [document_id], hour=1))
    [document] = (await read_documents(catalog, number)).values()
    assert (document.listed, is_withheld(document, READER)) == (True, False)


@pytest.mark.parametrize("code", [FailureCode.LISTING_UNAVAILABLE, FailureCode.INVALID_LISTING])
async def test_other_listing_failures_withhold_nothing(catalog: Catalog, number: str, code: FailureCode) -> None:
    [document_id] = document_ids(1)
    await catalog.listings.record(listing_of(number, [document_id]))
    await fail_run(catalog, number, code)
    assert (await read_documents(catalog, number))[document_id].listed


async def test_a_process_listed_for_the_first_time_is_not_withheld(catalog: Catalog, number: str) -> None:
    await fail_run(catalog, number, FailureCode.NO_ACCESS)
    await catalog.listings.record(listing_of(number, document_ids(1)))
    assert all(document.listed for document in (await read_documents(catalog, number)).values())


async def test_a_withdrawn_document_is_withheld_since_the_first_listing_without_it(
    catalog: Catalog, number: str
) -> None:
    kept, gone = document_ids(2)
    await catalog.listings.record(listing_of(number, [kept, gone]))
    await catalog.documents.mark_available(number, gone, stored_object(number, gone))
    without = [listing_of(number, [kept], hour=hour) for hour in (1, 2)]
    for listing in without:
        await catalog.listings.record(listing)
        found = await read_documents(catalog, number)
        assert (found[gone].unlisted_at, found[kept].unlisted_at) == (without[0].listed_at, None)
        assert is_withheld(found[gone], READER)
    # It still counts.
    assert await catalog.processes.count_documents(number) == Completeness(
        available=1, pending=1, available_bytes=1000
    )
    await catalog.listings.record(listing_of(number, [kept, gone], hour=3))
    assert (await read_documents(catalog, number))[gone].listed


async def test_a_clock_that_is_behind_does_not_hide_a_withdrawal(catalog: Catalog, number: str) -> None:
    kept, gone = document_ids(2)
    await catalog.listings.record(listing_of(number, [kept, gone], hour=2))
    await catalog.documents.mark_available(number, gone, stored_object(number, gone))
    await catalog.listings.record(listing_of(number, [kept], hour=1))
    assert not (await read_documents(catalog, number))[gone].listed


@pytest.fixture(scope="module")
async def own_catalog(new_database: NewDatabase) -> AsyncIterator[Catalog]:
    """A catalog of its own, in which the court's circuit is closed."""
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    database = Database(url)
    yield Catalog(database)
    await database.close()


class ScriptedCourt:
    """A court that returns the details that a test sets. Searches find the process."""

    def __init__(self) -> None:
        self.details = DOWN

    async def __call__(self, asked: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        found = answer(200, json.dumps({"content": [{"numeroProcesso": NUMBER}]}).encode())
        writer.write(found if "?" in asked.target else self.details)


@asynccontextmanager
async def run_worker(catalog: Catalog, court: ScriptedCourt) -> AsyncIterator[CourtActivities]:
    """Yield the activities of a worker that uses this court."""
    async with scripted(court) as server, AsyncExitStack() as stack:
        tokens = CourtTokens(catalog.court_state, configured="a-synthetic-token", file=None)
        access = CourtCircuitBreaker(catalog.court_state, tokens)
        portal = PdpjClient(
            server.origin,
            tokens=access,
            rate_limiter=CountingRateLimiter(),
            concurrency=1,
            user_agent="autos-tests",
        )
        stack.push_async_callback(portal.close)
        # Listing stores no object.
        store = cast("ObjectStore", None)
        circuit = StoreCircuitBreaker(catalog.store_circuit, store)
        yield CourtActivities(
            *(portal, access, catalog, store, circuit, choose_media_type),
            detect_media_type=detect_media_type,
            inspect_pdf=PdfInspector().inspect,
            max_document_bytes=1,
        )


async def list_documents(activities: CourtActivities) -> ListingSummary:
    """Run the activity that lists the process, in Temporal's test environment."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, heartbeat_timeout=None)
    summary: ListingSummary = await environment.run(activities.list_documents, ProcessRef(NUMBER))
    return summary


@pytest.mark.parametrize("refusal", [answer(401, NO_ACCESS), answer(404, NO_RECORDS), answer(200, b"[]")])
async def test_documents_are_unlisted_from_the_moment_the_court_refuses(
    own_catalog: Catalog, refusal: bytes
) -> None:
    court, document_id = ScriptedCourt(), str(uuid4())
    async with run_worker(own_catalog, court) as activities:
        court.details = answer(200, json.dumps(details(stage(piece(document_id)))).encode())
        await list_documents(activities)
        assert (await read_documents(own_catalog, NUMBER))[document_id].listed
        court.details, asked_at = refusal, datetime.now(UTC)
        with pytest.raises(ApplicationError) as refused:
            await list_documents(activities)
        assert refused.value.non_retryable
        since = (await read_documents(own_catalog, NUMBER))[document_id].unlisted_at
        assert since is not None
        assert since >= asked_at
        court.details = answer(200, json.dumps(details(stage(piece(document_id)))).encode())
        await list_documents(activities)
        assert (await read_documents(own_catalog, NUMBER))[document_id].listed


async def test_an_unrecognized_secrecy_level_is_logged_once_per_value(own_catalog: Catalog) -> None:
    court = ScriptedCourt()
    async with run_worker(own_catalog, court) as activities:
        with capture_logs() as lines:
            for _ in range(2):
                pieces = [piece(nivelSigilo=level) for level in ("SIGILOSO\x1b[2J", "SIGILOSO\x1b[2J", "x" * 500)]
                answered = details(stage(*pieces, nivelSigilo={"codigo": 5}), nivelSigilo=6)
                court.details = answer(200, json.dumps(answered).encode())
                await list_documents(activities)
    values = sorted(line["value"] for line in lines if line["event"] == "secrecy level not recognized")
    assert values == ["dict of 1", "int 6", "str SIGILOSO[2J", f"str {'x' * 40}"]
    counted = await own_catalog.lists.count_unrecognized_levels()
    assert (counted["processes"], counted["instances"]) == (1, 1)
    assert counted["documents"] >= 3
