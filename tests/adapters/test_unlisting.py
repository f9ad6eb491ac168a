"""What the court no longer shows: noted the moment it says so, and undone by the next listing alone."""

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
from activities.court_access import CourtAccess, CourtTokens
from activities.store_gate import StoreGate
from adapters.court_pdpj import PdpjCourt
from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.media_types import file_kind, media_type_of
from adapters.pdf_inspection import PdfInspector
from domain.clients import Scope
from domain.completeness import Completeness, Outcome
from domain.documents import Document
from domain.errors import FailureCode
from domain.messages import ListingSummary, ProcessRef, RunClosing, RunEnding, RunOpening
from domain.secrecy import is_withheld
from tests.adapters.conftest import NewDatabase
from tests.support.court_paces import CountingPace
from tests.support.listings import document_ids, listing_of, stored_object
from tests.support.portal_json import NUMBER, details, piece, stage
from tests.support.scripted_server import Asked, answer, scripted

if TYPE_CHECKING:
    from adapters.storage import ObjectStore

NO_ACCESS = '{"message": "Usuário não possui acesso ao processo"}'.encode()
NO_RECORDS = '{"code": 404, "message": "Não foram encontrados registros"}'.encode()
DOWN = answer(503)
READER = frozenset({Scope.READ})


async def documents(catalog: Catalog, number: str) -> dict[str, Document]:
    """The documents of a process that count, by their ids."""
    return {document.id: document for document in await catalog.documents.page(number, limit=100)}


async def ended(catalog: Catalog, number: str, code: FailureCode) -> None:
    """Have a run of a process end so."""
    opening = RunOpening(number, str(uuid4()), "local")
    await catalog.runs.open(opening)
    await catalog.runs.close(RunClosing(number, opening.run_id, RunEnding(Outcome.FAILED, code, "HTTP 401")))


@pytest.mark.parametrize("code", [FailureCode.NO_ACCESS, FailureCode.NOT_FOUND])
async def test_a_run_that_finds_no_access_withholds_all_until_the_next_listing(
    catalog: Catalog, number: str, code: FailureCode
) -> None:
    [document_id] = document_ids(1)
    await catalog.listings.record(listing_of(number, [document_id]))
    await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
    await ended(catalog, number, code)
    since = (await documents(catalog, number))[document_id].unlisted_at
    assert since is not None
    # Later failures neither open it nor count anew; nothing of it is deleted.
    for later in (FailureCode.LISTING_UNAVAILABLE, FailureCode.INVALID_LISTING, code):
        await ended(catalog, number, later)
        [document] = (await documents(catalog, number)).values()
        assert (document.unlisted_at, is_withheld(document, READER)) == (since, True)
        assert document.stored == stored_object(number, document_id)
    assert (await catalog.processes.completeness(number)).available == 1
    await catalog.listings.record(listing_of(number, [document_id], hour=1))
    [document] = (await documents(catalog, number)).values()
    assert (document.listed, is_withheld(document, READER)) == (True, False)


@pytest.mark.parametrize("code", [FailureCode.LISTING_UNAVAILABLE, FailureCode.INVALID_LISTING])
async def test_a_listing_that_fails_otherwise_withholds_nothing(
    catalog: Catalog, number: str, code: FailureCode
) -> None:
    [document_id] = document_ids(1)
    await catalog.listings.record(listing_of(number, [document_id]))
    await ended(catalog, number, code)
    assert (await documents(catalog, number))[document_id].listed


async def test_a_process_that_was_never_listed_is_open_when_it_is(catalog: Catalog, number: str) -> None:
    await ended(catalog, number, FailureCode.NO_ACCESS)
    await catalog.listings.record(listing_of(number, document_ids(1)))
    assert all(document.listed for document in (await documents(catalog, number)).values())


async def test_a_piece_that_is_gone_is_withheld_since_the_first_listing_without_it(
    catalog: Catalog, number: str
) -> None:
    kept, gone = document_ids(2)
    await catalog.listings.record(listing_of(number, [kept, gone]))
    await catalog.documents.mark_available(number, gone, stored_object(number, gone))
    without = [listing_of(number, [kept], hour=hour) for hour in (1, 2)]
    for listing in without:
        await catalog.listings.record(listing)
        found = await documents(catalog, number)
        assert (found[gone].unlisted_at, found[kept].unlisted_at) == (without[0].listed_at, None)
        assert is_withheld(found[gone], READER)
    # It counts all the same.
    assert await catalog.processes.completeness(number) == Completeness(
        available=1, pending=1, available_bytes=1000
    )
    await catalog.listings.record(listing_of(number, [kept, gone], hour=3))
    assert (await documents(catalog, number))[gone].listed


async def test_a_clock_that_is_behind_hides_no_loss(catalog: Catalog, number: str) -> None:
    kept, gone = document_ids(2)
    await catalog.listings.record(listing_of(number, [kept, gone], hour=2))
    await catalog.documents.mark_available(number, gone, stored_object(number, gone))
    await catalog.listings.record(listing_of(number, [kept], hour=1))
    assert not (await documents(catalog, number))[gone].listed


@pytest.fixture(scope="module")
async def own_catalog(new_database: NewDatabase) -> AsyncIterator[Catalog]:
    """A catalog in which the court is well."""
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    database = Database(url)
    yield Catalog(database)
    await database.close()


class ChangingCourt:
    """A court that answers with what a test says last; searches find the process."""

    def __init__(self) -> None:
        self.details = DOWN

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        """Answer."""
        found = answer(200, json.dumps({"content": [{"numeroProcesso": NUMBER}]}).encode())
        writer.write(found if "?" in asked.target else self.details)


@asynccontextmanager
async def working(catalog: Catalog, court: ChangingCourt) -> AsyncIterator[CourtActivities]:
    """The activities of a worker that asks this court."""
    async with scripted(court) as server, AsyncExitStack() as stack:
        tokens = CourtTokens(catalog.court, configured="a-synthetic-token", file=None)
        access = CourtAccess(catalog.court, tokens)
        portal = PdpjCourt(
            server.origin, tokens=access, pace=CountingPace(), concurrency=1, user_agent="autos-tests"
        )
        stack.push_async_callback(portal.close)
        # Listing stores no object.
        store = cast("ObjectStore", None)
        gate = StoreGate(catalog.store_circuit, store)
        yield CourtActivities(
            *(portal, access, catalog, store, gate, media_type_of),
            file_kind=file_kind,
            inspect_pdf=PdfInspector().inspect,
            max_document_bytes=1,
        )


async def listed(activities: CourtActivities) -> ListingSummary:
    """List the process, as Temporal has it done."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, heartbeat_timeout=None)
    summary: ListingSummary = await environment.run(activities.list_documents, ProcessRef(NUMBER))
    return summary


@pytest.mark.parametrize("refusal", [answer(401, NO_ACCESS), answer(404, NO_RECORDS), answer(200, b"[]")])
async def test_nothing_is_shown_from_the_moment_that_the_court_says_no(
    own_catalog: Catalog, refusal: bytes
) -> None:
    court, document_id = ChangingCourt(), str(uuid4())
    async with working(own_catalog, court) as activities:
        court.details = answer(200, json.dumps(details(stage(piece(document_id)))).encode())
        await listed(activities)
        assert (await documents(own_catalog, NUMBER))[document_id].listed
        court.details, asked_at = refusal, datetime.now(UTC)
        with pytest.raises(ApplicationError) as refused:
            await listed(activities)
        assert refused.value.non_retryable
        since = (await documents(own_catalog, NUMBER))[document_id].unlisted_at
        assert since is not None
        assert since >= asked_at
        court.details = answer(200, json.dumps(details(stage(piece(document_id)))).encode())
        await listed(activities)
        assert (await documents(own_catalog, NUMBER))[document_id].listed


async def test_a_level_that_is_not_understood_is_logged_once_for_each_value(own_catalog: Catalog) -> None:
    court = ChangingCourt()
    async with working(own_catalog, court) as activities:
        with capture_logs() as lines:
            for _ in range(2):
                pieces = [piece(nivelSigilo=level) for level in ("SIGILOSO\x1b[2J", "SIGILOSO\x1b[2J", "x" * 500)]
                answered = details(stage(*pieces, nivelSigilo={"codigo": 5}), nivelSigilo=6)
                court.details = answer(200, json.dumps(answered).encode())
                await listed(activities)
    told = sorted(line["value"] for line in lines if line["event"] == "secrecy level not recognized")
    assert told == ["dict of 1", "int 6", "str SIGILOSO[2J", f"str {'x' * 40}"]
    counted = await own_catalog.overview.unrecognized_levels()
    assert (counted["processes"], counted["instances"]) == (1, 1)
    assert counted["documents"] >= 3
