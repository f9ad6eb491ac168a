"""Batches on both databases: stored whole, decided item by item, read with one question."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from adapters.database import Catalog, Database
from domain.batches import Batch, BatchItemRef, ItemDecision, ItemState, read_items
from domain.completeness import Decision, Outcome
from domain.errors import FailureCode
from domain.messages import RunClosing, RunEnding, RunOpening
from tests.support.listings import document_ids, listing_of, stored_object
from tests.support.numbers import fresh_number
from tests.support.statements import plan, statements


async def added(catalog: Catalog, *given: str) -> Batch:
    """A batch in the catalog."""
    items, duplicates = read_items(given)
    batch = Batch(
        id=uuid4().hex,
        client="desk",
        created_at=datetime.now(UTC),
        priority=4,
        items=items,
        duplicates=duplicates,
        webhook_url="https://example.com/hook",
        max_age=timedelta(hours=2),
    )
    await catalog.batches.add(batch)
    return batch


async def decided(catalog: Catalog, number: str, decision: Decision, run_id: str | None = None) -> Batch:
    """A batch of one process about which something has been done."""
    batch = await added(catalog, number)
    await catalog.batches.decide(ItemDecision(BatchItemRef(batch.id, 1, number), "desk", decision, run_id))
    return batch


async def state(catalog: Catalog, batch: Batch) -> ItemState:
    """What became of a batch's only item."""
    found = await catalog.batches.get(batch.id)
    assert found is not None
    [item] = found.items
    return item.state


async def a_run(catalog: Catalog, number: str, outcome: Outcome | None = None) -> str:
    """A run in the catalog, which has ended so."""
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "desk"))
    if outcome is not None:
        await catalog.runs.close(RunClosing(number, run_id, RunEnding(outcome)))
    return run_id


async def test_a_batch_is_read_as_it_was_stored(catalog: Catalog) -> None:
    number = fresh_number()
    batch = await added(catalog, "nonsense", number, number)
    assert await catalog.batches.get(batch.id) == batch
    assert await catalog.batches.terms(batch.id) == replace(batch, items=())
    assert await catalog.batches.undecided(batch.id) == (BatchItemRef(batch.id, 2, number),)


async def test_a_batch_that_is_taken_back_leaves_nothing(catalog: Catalog) -> None:
    batch = await added(catalog, fresh_number())
    await catalog.batches.remove(batch.id)
    assert await catalog.batches.get(batch.id) is None
    assert await catalog.batches.terms(batch.id) is None
    assert await catalog.batches.undecided(batch.id) == ()


async def test_what_was_decided_first_stays(catalog: Catalog, number: str) -> None:
    run_id = await a_run(catalog, number)
    batch = await decided(catalog, number, Decision.STARTED, run_id)
    item = BatchItemRef(batch.id, 1, number)
    await catalog.batches.decide(ItemDecision(item, "desk", Decision.COMPLETE))
    found = await catalog.batches.get(batch.id)
    assert found is not None
    assert [(one.decision, one.run_id) for one in found.items] == [(Decision.STARTED, run_id)]
    assert await catalog.batches.undecided(batch.id) == ()


@pytest.mark.parametrize("outcome", Outcome)
async def test_an_item_follows_the_run_that_it_started(catalog: Catalog, number: str, outcome: Outcome) -> None:
    run_id = str(uuid4())
    batch = await decided(catalog, number, Decision.STARTED, run_id)
    assert await state(catalog, batch) is ItemState.PROCESSING
    await catalog.runs.open(RunOpening(number, run_id, "desk"))
    assert await state(catalog, batch) is ItemState.PROCESSING
    await catalog.runs.close(RunClosing(number, run_id, RunEnding(outcome)))
    assert await state(catalog, batch) is ItemState(outcome)
    await a_run(catalog, number, Outcome.FAILED)
    assert await state(catalog, batch) is ItemState(outcome)


async def test_an_item_follows_the_run_that_it_joined(catalog: Catalog, number: str) -> None:
    await a_run(catalog, number, Outcome.FAILED)
    run_id = await a_run(catalog, number)
    batch = await decided(catalog, number, Decision.ACTIVE)
    assert await state(catalog, batch) is ItemState.PROCESSING
    await catalog.runs.close(RunClosing(number, run_id, RunEnding(Outcome.COMPLETED)))
    assert await state(catalog, batch) is ItemState.COMPLETED


async def test_a_joined_run_of_which_the_catalog_heard_later_is_found(catalog: Catalog, number: str) -> None:
    batch = await decided(catalog, number, Decision.ACTIVE)
    assert await state(catalog, batch) is ItemState.PROCESSING
    await a_run(catalog, number, Outcome.PARTIAL)
    assert await state(catalog, batch) is ItemState.PARTIAL


async def test_a_killed_run_is_over_and_one_that_said_how_it_ended_stays_so(catalog: Catalog, number: str) -> None:
    run_id = await a_run(catalog, number)
    killed = await decided(catalog, number, Decision.STARTED, run_id)
    await catalog.runs.close_killed(run_id)
    assert await state(catalog, killed) is ItemState.CANCELLED
    ended = await a_run(catalog, number, Outcome.COMPLETED)
    await catalog.runs.close_killed(ended)
    assert await state(catalog, await decided(catalog, number, Decision.STARTED, ended)) is ItemState.COMPLETED


async def test_what_the_catalog_answered_by_itself_is_the_process_s_own(catalog: Catalog) -> None:
    whole, lacking, gone, empty = (fresh_number() for _ in range(4))
    for number in (whole, lacking):
        stored, other = document_ids(2)
        await catalog.listings.record(listing_of(number, [stored, other]))
        await catalog.documents.mark_available(number, stored, stored_object(number, stored))
        if number == whole:
            await catalog.documents.mark_available(number, other, stored_object(number, other))
        else:
            await catalog.documents.record_failed_attempt(number, other, FailureCode.SEALED, "", allowed_attempts=1)
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(gone, run_id, "desk"))
    ending = RunEnding(Outcome.FAILED, FailureCode.NOT_FOUND, "HTTP 404")
    await catalog.runs.close(RunClosing(gone, run_id, ending))
    await catalog.listings.record(listing_of(empty, []))
    assert [
        await state(catalog, await decided(catalog, number, decision))
        for number, decision in (
            (whole, Decision.COMPLETE),
            (lacking, Decision.SETTLED),
            (gone, Decision.SETTLED),
            (empty, Decision.SETTLED),
        )
    ] == [ItemState.COMPLETED, ItemState.PARTIAL, ItemState.FAILED, ItemState.COMPLETED]


async def test_the_first_end_of_a_batch_stays(catalog: Catalog) -> None:
    batch = await added(catalog, fresh_number())
    await catalog.batches.end(batch.id)
    ended = await catalog.batches.terms(batch.id)
    await catalog.batches.end(batch.id)
    assert await catalog.batches.terms(batch.id) == ended
    assert ended is not None
    assert ended.ended_at is not None


async def test_a_whole_batch_is_read_with_one_question_from_indexes(catalog: Catalog, database: Database) -> None:
    batch = await added(catalog, *(fresh_number() for _ in range(300)))
    for item in batch.items:
        ref = BatchItemRef(batch.id, item.position, item.process_number or "")
        decision = list(Decision)[item.position % 4]
        await catalog.batches.decide(ItemDecision(ref, "desk", decision))
    with statements() as said:
        found = await catalog.batches.get(batch.id)
    assert found is not None
    assert len(found.items) == 300
    head, items = [await plan(database, one) for one in said if one.sql.startswith("SELECT")]
    for one in (head, items):
        assert "Seq Scan" not in one
        assert not [line for line in one.splitlines() if line.strip().startswith("SCAN ")]


async def test_unended_batches_come_page_by_page_to_the_last(catalog: Catalog) -> None:
    made = {(await added(catalog, fresh_number())).id for _ in range(105)}
    ended = await added(catalog, fresh_number())
    await catalog.batches.end(ended.id)
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = await catalog.batches.unended(after, before=datetime.now(UTC) + timedelta(minutes=1))
        found += [batch.batch_id for batch in page.batches]
        after = page.following
    assert made <= set(found)
    assert len(found) == len(set(found))
    assert ended.id not in found
