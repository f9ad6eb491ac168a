"""Opening and closing runs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from adapters.database import Catalog
from domain.completeness import Completeness, Outcome
from domain.errors import FailureCode
from domain.processes import Process, Run
from domain.run_messages import ClosedRun, RunClosing, RunEnding, RunOpening, RunRef
from tests.support.listings import document_ids, listing_of, stored_object

COMPLETED = RunEnding(Outcome.COMPLETED)
NO_ACCESS = RunEnding(Outcome.FAILED, FailureCode.NO_ACCESS, "HTTP 401: Usuário não possui acesso")


async def open_run(catalog: Catalog, number: str) -> str:
    """Open a run and return its id."""
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "local"))
    return run_id


async def close_run(
    catalog: Catalog, number: str, run_id: str, ending: RunEnding = COMPLETED, *, after_delivery: int = 0
) -> ClosedRun:
    """Close a run."""
    return await catalog.runs.close(RunClosing(number, run_id, ending, after_delivery))


async def get_process(catalog: Catalog, number: str) -> Process:
    """Return a process that must exist."""
    found = await catalog.processes.get(number)
    assert found is not None
    return found


async def get_latest_run(catalog: Catalog, number: str) -> Run:
    """Return the latest run of a process, which must exist."""
    run = (await get_process(catalog, number)).latest_run
    assert run is not None
    return run


async def test_an_opened_run_has_no_end(catalog: Catalog, number: str) -> None:
    run_id = await open_run(catalog, number)
    run = await get_latest_run(catalog, number)
    assert (run.id, run.client, run.ended_at, run.outcome, run.documents) == (run_id, "local", None, None, None)
    assert datetime.now(UTC) - run.started_at < timedelta(minutes=1)


async def test_opening_again_changes_nothing(catalog: Catalog, number: str) -> None:
    opening = RunOpening(number, str(uuid4()), "local")
    await catalog.runs.register(opening)
    before = await get_process(catalog, number)
    await catalog.runs.open(opening)
    await catalog.runs.open(RunOpening(number, opening.run_id, "another"))
    assert await get_process(catalog, number) == before


async def test_opening_reopens_documents_with_retryable_failures(catalog: Catalog, number: str) -> None:
    lost, sealed = document_ids(2)
    await catalog.listings.record(listing_of(number, [lost, sealed]))
    for document_id, code in ((lost, FailureCode.TRUNCATED), (sealed, FailureCode.SEALED)):
        await catalog.documents.record_failed_attempt(number, document_id, code, "", allowed_attempts=1)
    await open_run(catalog, number)
    assert await catalog.processes.count_documents(number) == Completeness(pending=1, failed_for_good=1)


async def test_opening_reopens_requested_documents_whatever_their_failure(catalog: Catalog, number: str) -> None:
    ids = document_ids(4)
    await catalog.listings.record(listing_of(number, ids))

    async def fail_all() -> None:
        for document_id in ids:
            await catalog.documents.record_failed_attempt(
                number, document_id, FailureCode.DOCUMENT_NOT_FOUND, "", allowed_attempts=1
            )

    run_id = str(uuid4())
    for opening, pending in (
        (RunOpening(number, run_id, "local"), 0),
        (RunOpening(number, run_id, "local", document_ids=tuple(ids[:1])), 1),
        (RunOpening(number, run_id, "local", named=tuple(ids[:2])), 2),
        (RunOpening(number, run_id, "local", retry_permanent=True), 4),
    ):
        await fail_all()
        await catalog.runs.open(opening)
        assert (await catalog.processes.count_documents(number)).pending == pending


async def test_runs_without_an_end_are_listed_in_pages(catalog: Catalog, number: str) -> None:
    run_id = await open_run(catalog, number)
    before: list[RunRef] = []
    place: RunRef | None = None
    while True:
        page = await catalog.runs.list_unended(place, older_than=timedelta(0))
        before += page.runs
        if page.following is None:
            break
        place = page.following
    assert [run.run_id for run in before].count(run_id) == 1
    assert before[-1].run_id == run_id
    assert (await catalog.runs.list_unended(before[-1], older_than=timedelta(0))).runs == ()
    assert run_id not in {
        run.run_id for run in (await catalog.runs.list_unended(None, older_than=timedelta(hours=1))).runs
    }


async def test_opening_resets_the_attempts_of_a_killed_run(catalog: Catalog, number: str) -> None:
    [document_id] = document_ids(1)
    await catalog.listings.record(listing_of(number, [document_id]))
    for _ in range(4):
        await catalog.documents.record_failed_attempt(
            number, document_id, FailureCode.TRUNCATED, "", allowed_attempts=5
        )
    await open_run(catalog, number)
    source = await catalog.documents.get_source(number, document_id)
    assert source is not None
    assert source.failed_attempts == 0


async def test_the_next_run_closes_a_run_without_an_end_as_cancelled(catalog: Catalog, number: str) -> None:
    killed = await open_run(catalog, number)
    await catalog.runs.subscribe(RunOpening(number, killed, "local"), "local", "https://example.com/hook")
    following = await open_run(catalog, number)
    assert (await get_latest_run(catalog, number)).id == following
    [delivery] = (await close_run(catalog, number, killed, COMPLETED)).deliveries
    run = (await catalog.deliveries.get_event(delivery.id) or pytest.fail("no delivery")).run
    assert run is not None
    assert (run.id, run.outcome, run.documents) == (killed, Outcome.CANCELLED, None)
    assert run.ended_at is not None


async def test_opening_leaves_runs_of_other_processes_alone(catalog: Catalog, number: str) -> None:
    await open_run(catalog, number)
    await open_run(catalog, "0000001-39.2024.8.26.0100")
    assert (await get_latest_run(catalog, number)).outcome is None


async def test_a_closed_run_stores_its_final_counts(catalog: Catalog, number: str) -> None:
    run_id = await open_run(catalog, number)
    stored, failed = document_ids(2)
    await catalog.listings.record(listing_of(number, [stored, failed]))
    await catalog.documents.mark_available(number, stored, stored_object(number, stored))
    await catalog.documents.record_failed_attempt(number, failed, FailureCode.SEALED, "", allowed_attempts=1)
    closed = await close_run(catalog, number, run_id, RunEnding(Outcome.PARTIAL))
    counts = Completeness(available=1, failed_for_good=1, available_bytes=1000)
    assert closed == ClosedRun(counts, ())
    run = await get_latest_run(catalog, number)
    assert (run.outcome, run.documents) == (Outcome.PARTIAL, counts)


async def test_closing_again_keeps_the_first_end(catalog: Catalog, number: str) -> None:
    run_id = await open_run(catalog, number)
    await close_run(catalog, number, run_id)
    before = await get_latest_run(catalog, number)
    await close_run(catalog, number, run_id, RunEnding(Outcome.CANCELLED))
    assert await get_latest_run(catalog, number) == before


async def test_a_process_that_failed_before_it_was_listed_is_known_with_its_failure(
    catalog: Catalog, number: str
) -> None:
    run_id = await open_run(catalog, number)
    await close_run(catalog, number, run_id, NO_ACCESS)
    found = await get_process(catalog, number)
    assert found.failure is not None
    assert (found.failure.code, found.failure.answer) == (FailureCode.NO_ACCESS, NO_ACCESS.answer)
    assert (found.court, found.listed_at) == ("TJMT", None)
    assert (await get_latest_run(catalog, number)).failure_code is FailureCode.NO_ACCESS


async def test_a_failure_of_a_listed_process_keeps_its_listing(catalog: Catalog, number: str) -> None:
    await catalog.listings.record(listing_of(number, document_ids(2)))
    run_id = await open_run(catalog, number)
    await close_run(catalog, number, run_id, NO_ACCESS)
    found = await get_process(catalog, number)
    assert found.failure is not None
    assert (found.listed_at, found.documents.pending) == (listing_of(number, []).listed_at, 2)


async def test_the_next_listing_clears_the_failure_of_the_process(catalog: Catalog, number: str) -> None:
    await close_run(catalog, number, await open_run(catalog, number), NO_ACCESS)
    await catalog.listings.record(listing_of(number, []))
    assert (await get_process(catalog, number)).failure is None


async def test_a_registered_run_of_an_unlisted_process_makes_it_known(catalog: Catalog, number: str) -> None:
    await catalog.runs.register(RunOpening(number, str(uuid4()), "local"))
    found = await get_process(catalog, number)
    assert (found.court, found.listed_at, found.documents) == ("TJMT", None, Completeness())


async def test_a_run_opened_many_times_at_once_is_one_row(catalog: Catalog, number: str) -> None:
    opening = RunOpening(number, str(uuid4()), "local")
    await asyncio.gather(*(catalog.runs.open(opening) for _ in range(10)))
    assert (await get_latest_run(catalog, number)).id == opening.run_id
