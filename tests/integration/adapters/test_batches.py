"""Batches on both databases: stored in one transaction, decided item by item, read with one query."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from adapters.database import Catalog, Database
from domain.batch_messages import BatchItemRef, ItemDecision
from domain.batches import Batch, ItemState, read_items
from domain.completeness import Decision, Outcome
from domain.errors import FailureCode
from domain.run_messages import RunClosing, RunEnding, RunOpening
from tests.support.listings import document_ids, listing_of, stored_object
from tests.support.numbers import fresh_number
from tests.support.statements import plan, statements


async def add_batch(catalog: Catalog, *given: str) -> Batch:
    """Add a batch with these texts as items."""
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


async def add_decided_batch(catalog: Catalog, number: str, decision: Decision, run_id: str | None = None) -> Batch:
    """Add a batch of one process, and record a decision about it."""
    batch = await add_batch(catalog, number)
    await catalog.batches.record_decision(ItemDecision(BatchItemRef(batch.id, 1, number), "desk", decision, run_id))
    return batch


async def get_item_state(catalog: Catalog, batch: Batch) -> ItemState:
    """Return the state of a batch's only item."""
    found = await catalog.batches.get(batch.id)
    assert found is not None
    [item] = found.items
    return item.state


async def create_run(catalog: Catalog, number: str, outcome: Outcome | None = None) -> str:
    """Open a run, and close it if an outcome is given."""
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "desk"))
    if outcome is not None:
        await catalog.runs.close(RunClosing(number, run_id, RunEnding(outcome)))
    return run_id


async def test_a_batch_is_read_as_it_was_stored(catalog: Catalog) -> None:
    number = fresh_number()
    batch = await add_batch(catalog, "nonsense", number, number)
    assert await catalog.batches.get(batch.id) == batch
    assert await catalog.batches.get_without_items(batch.id) == replace(batch, items=())
    assert await catalog.batches.list_undecided_items(batch.id) == (BatchItemRef(batch.id, 2, number),)


async def test_a_deleted_batch_leaves_nothing(catalog: Catalog) -> None:
    batch = await add_batch(catalog, fresh_number())
    await catalog.batches.delete(batch.id)
    assert await catalog.batches.get(batch.id) is None
    assert await catalog.batches.get_without_items(batch.id) is None
    assert await catalog.batches.list_undecided_items(batch.id) == ()


async def test_the_first_decision_stays(catalog: Catalog, number: str) -> None:
    run_id = await create_run(catalog, number)
    batch = await add_decided_batch(catalog, number, Decision.STARTED, run_id)
    item = BatchItemRef(batch.id, 1, number)
    await catalog.batches.record_decision(ItemDecision(item, "desk", Decision.COMPLETE))
    found = await catalog.batches.get(batch.id)
    assert found is not None
    assert [(one.decision, one.run_id) for one in found.items] == [(Decision.STARTED, run_id)]
    assert await catalog.batches.list_undecided_items(batch.id) == ()


@pytest.mark.parametrize("outcome", Outcome)
async def test_an_item_follows_the_run_that_it_started(catalog: Catalog, number: str, outcome: Outcome) -> None:
    run_id = str(uuid4())
    batch = await add_decided_batch(catalog, number, Decision.STARTED, run_id)
    assert await get_item_state(catalog, batch) is ItemState.PROCESSING
    await catalog.runs.open(RunOpening(number, run_id, "desk"))
    assert await get_item_state(catalog, batch) is ItemState.PROCESSING
    await catalog.runs.close(RunClosing(number, run_id, RunEnding(outcome)))
    assert await get_item_state(catalog, batch) is ItemState(outcome)
    await create_run(catalog, number, Outcome.FAILED)
    assert await get_item_state(catalog, batch) is ItemState(outcome)


async def test_an_item_follows_the_run_that_it_joined(catalog: Catalog, number: str) -> None:
    await create_run(catalog, number, Outcome.FAILED)
    run_id = await create_run(catalog, number)
    batch = await add_decided_batch(catalog, number, Decision.ACTIVE)
    assert await get_item_state(catalog, batch) is ItemState.PROCESSING
    await catalog.runs.close(RunClosing(number, run_id, RunEnding(Outcome.COMPLETED)))
    assert await get_item_state(catalog, batch) is ItemState.COMPLETED


async def test_a_joined_run_that_is_recorded_later_is_found(catalog: Catalog, number: str) -> None:
    batch = await add_decided_batch(catalog, number, Decision.ACTIVE)
    assert await get_item_state(catalog, batch) is ItemState.PROCESSING
    await create_run(catalog, number, Outcome.PARTIAL)
    assert await get_item_state(catalog, batch) is ItemState.PARTIAL


async def test_a_killed_run_is_cancelled_and_a_recorded_end_stays(catalog: Catalog, number: str) -> None:
    run_id = await create_run(catalog, number)
    killed = await add_decided_batch(catalog, number, Decision.STARTED, run_id)
    await catalog.runs.close_killed(run_id)
    assert await get_item_state(catalog, killed) is ItemState.CANCELLED
    ended = await create_run(catalog, number, Outcome.COMPLETED)
    await catalog.runs.close_killed(ended)
    assert (
        await get_item_state(catalog, await add_decided_batch(catalog, number, Decision.STARTED, ended))
        is ItemState.COMPLETED
    )


async def test_an_item_answered_from_the_catalog_has_the_state_of_its_process(catalog: Catalog) -> None:
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
        await get_item_state(catalog, await add_decided_batch(catalog, number, decision))
        for number, decision in (
            (whole, Decision.COMPLETE),
            (lacking, Decision.SETTLED),
            (gone, Decision.SETTLED),
            (empty, Decision.SETTLED),
        )
    ] == [ItemState.COMPLETED, ItemState.PARTIAL, ItemState.FAILED, ItemState.COMPLETED]


async def test_the_first_end_of_a_batch_stays(catalog: Catalog) -> None:
    batch = await add_batch(catalog, fresh_number())
    await catalog.batches.mark_ended(batch.id)
    ended = await catalog.batches.get_without_items(batch.id)
    await catalog.batches.mark_ended(batch.id)
    assert await catalog.batches.get_without_items(batch.id) == ended
    assert ended is not None
    assert ended.ended_at is not None


async def test_a_whole_batch_is_read_with_one_query_from_indexes(catalog: Catalog, database: Database) -> None:
    batch = await add_batch(catalog, *(fresh_number() for _ in range(300)))
    for item in batch.items:
        ref = BatchItemRef(batch.id, item.position, item.process_number or "")
        decision = list(Decision)[item.position % 4]
        await catalog.batches.record_decision(ItemDecision(ref, "desk", decision))
    with statements() as said:
        found = await catalog.batches.get(batch.id)
    assert found is not None
    assert len(found.items) == 300
    head, items = [await plan(database, one) for one in said if one.sql.startswith("SELECT")]
    for one in (head, items):
        assert "Seq Scan" not in one
        assert not [line for line in one.splitlines() if line.strip().startswith("SCAN ")]


async def test_batches_without_an_end_are_listed_in_pages(catalog: Catalog) -> None:
    made = {(await add_batch(catalog, fresh_number())).id for _ in range(105)}
    ended = await add_batch(catalog, fresh_number())
    await catalog.batches.mark_ended(ended.id)
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = await catalog.batches.list_unended(after, before=datetime.now(UTC) + timedelta(minutes=1))
        found += [batch.batch_id for batch in page.batches]
        after = page.following
    assert made <= set(found)
    assert len(found) == len(set(found))
    assert ended.id not in found


async def test_a_page_counts_the_items_as_a_single_batch_does(catalog: Catalog) -> None:
    number = fresh_number()
    await add_batch(catalog, fresh_number(), "not a number", number, number)
    for outcome in (None, *Outcome):
        process = fresh_number()
        run_id = await create_run(catalog, process, outcome)
        await add_decided_batch(catalog, process, Decision.STARTED, run_id)
    await add_decided_batch(catalog, fresh_number(), Decision.COMPLETE)
    erased = await add_batch(catalog, fresh_number())
    await catalog.batches.mark_erased(BatchItemRef(erased.id, 1, str(erased.items[0].process_number)))

    page = await catalog.batches.page(None, limit=4 + len(Outcome))

    assert len({state for summary in page for state, count in summary.counts.items() if count}) == len(ItemState)
    assert page == sorted(page, key=lambda summary: summary.sort_key, reverse=True)
    for summary in page:
        batch = await catalog.batches.get(summary.batch.id)
        assert batch is not None
        assert (summary.counts, summary.batch) == (batch.counts, replace(batch, items=()))


@pytest.mark.parametrize(
    ("client", "index"), [(None, "ix_batches_created_at_id"), ("desk", "ix_batches_client_created_at_id")]
)
async def test_a_page_uses_its_index(database: Database, catalog: Catalog, client: str | None, index: str) -> None:
    batches = [await add_batch(catalog, fresh_number()) for _ in range(3)]
    with statements() as executed:
        page = await catalog.batches.page(client, after=(batches[-1].created_at, batches[-1].id), limit=1)
    assert [summary.batch.id for summary in page] == [batches[1].id]
    [statement] = [one for one in executed if "FROM batches" in one.sql]
    assert index in await plan(database, statement)
