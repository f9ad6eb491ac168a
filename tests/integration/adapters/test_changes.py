"""What one listing of a process has that the one before had not: recorded once, and nothing invented."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from domain.cases import ChangeKind
from domain.completeness import Outcome
from domain.documents import StoredObject
from domain.errors import FailureCode
from domain.run_messages import RunClosing, RunEnding, RunOpening
from domain.secrecy import Secrecy
from tests.integration.adapters.conftest import NewDatabase
from tests.support.case_listings import FILED, create_documents, list_case
from tests.support.listings import FIRST_DEGREE
from tests.support.numbers import fresh_number
from tests.support.statements import statements


async def read_kinds(catalog: Catalog, number: str) -> list[str]:
    """Return the kinds of all changes of a process, and check that their numbers are in order."""
    changes = await catalog.changes.page(number, limit=1000)
    sequences = [change.sequence for change in changes]
    assert sequences == sorted(set(sequences))
    return [change.kind.value for change in changes]


async def store(catalog: Catalog, number: str, document_id: str, content: str) -> None:
    """Record that a document is stored, with bytes of its own."""
    digest = f"{content:x<64}"
    await catalog.documents.mark_available(
        number, document_id, StoredObject(f"processes/{number}/{document_id}", 1000, digest, "application/pdf")
    )


async def run(catalog: Catalog, number: str) -> None:
    """Open a run of a process and close it."""
    opening = RunOpening(number, str(uuid4()), "local")
    await catalog.runs.open(opening)
    await catalog.runs.close(RunClosing(number, opening.run_id, RunEnding(Outcome.COMPLETED)))


async def test_the_first_listing_is_the_baseline(catalog: Catalog, number: str) -> None:
    documents = create_documents(31)
    for hour in (0, 1):
        await catalog.listings.record(list_case(number, documents, 105, hour=hour))
        assert await read_kinds(catalog, number) == []
    await run(catalog, number)
    assert await catalog.changes.last_sequence(number) == 0


async def test_what_a_listing_adds_is_recorded_in_order_and_once(catalog: Catalog, number: str) -> None:
    documents = create_documents(3)
    await catalog.listings.record(list_case(number, documents[:2], 2))
    grown = list_case(number, documents, 4, hour=1)
    # The activity is tried again with the same listing, and then with one that it has requested again.
    for listing in (grown, grown, replace(grown, listed_at=grown.listed_at + timedelta(seconds=9))):
        await catalog.listings.record(listing)
    changes = await catalog.changes.page(number, limit=10)
    assert [(change.sequence, change.kind) for change in changes] == [
        (1, ChangeKind.DOCUMENT_ADDED),
        (2, ChangeKind.MOVEMENT_ADDED),
        (3, ChangeKind.MOVEMENT_ADDED),
    ]
    assert [change.seen_at for change in changes] == [grown.listed_at] * 3
    assert changes[0].document is not None
    assert changes[0].document.id == documents[2].id
    assert [change.movement.occurred_at for change in changes if change.movement] == [
        FILED + timedelta(hours=2),
        FILED + timedelta(hours=3),
    ]
    assert [change.sequence for change in await catalog.changes.page(number, 1, 1)] == [2]


@pytest.mark.parametrize("through_an_empty_listing", [False, True])
async def test_indexing_173_papers_again_is_no_change(
    catalog: Catalog, number: str, through_an_empty_listing: bool
) -> None:
    before, after = create_documents(173), create_documents(173)
    await catalog.listings.record(list_case(number, before, 105))
    await store(catalog, number, before[0].id, "first")
    if through_an_empty_listing:
        await catalog.listings.record(list_case(number, [], 105, hour=1))
    for hour in (2, 50, 99):
        await catalog.listings.record(list_case(number, after, 105, hour=hour))
        assert await read_kinds(catalog, number) == []
    counts = await catalog.processes.count_documents(number)
    assert (counts.total, counts.available) == (173, 1)
    assert {each.id for each in await catalog.documents.page(number, limit=200)} == {each.id for each in before}
    # The paper of the same name that is filed on another day is new, although it has an old one's number.
    other = replace(after[0], id=str(uuid4()), filed_at=FILED + timedelta(days=9))
    await catalog.listings.record(list_case(number, [*after, other], 105, hour=100))
    assert await read_kinds(catalog, number) == ["document_added"]


async def test_another_content_under_the_same_number_is_another_document(catalog: Catalog, number: str) -> None:
    # Its system has signed it again: never the old bytes under the new entry.
    [before] = create_documents(1)
    await catalog.listings.record(list_case(number, [before]))
    await store(catalog, number, before.id, "unsigned")
    [after] = create_documents(1)
    after = replace(after, filed_at=FILED + timedelta(seconds=30))
    await catalog.listings.record(list_case(number, [after], hour=1))
    await store(catalog, number, after.id, "signed")
    await run(catalog, number)
    assert await read_kinds(catalog, number) == ["document_added"]


async def test_papers_without_numbers_are_recognized_by_their_bytes(catalog: Catalog, number: str) -> None:
    before = create_documents(4, origins=False)
    await catalog.listings.record(list_case(number, before))
    # Two of them are twins: the same bytes, filed at the same time.
    for document, content in zip(before, ("a", "b", "twin", "twin"), strict=True):
        await store(catalog, number, document.id, content)
    after = create_documents(4, origins=False)
    new = replace(create_documents(1, origins=False)[0], name="Nova.pdf")
    await catalog.listings.record(list_case(number, [*after, new], hour=1))
    assert await read_kinds(catalog, number) == ["document_added"] * 5
    for document, content in zip((*after, new), ("a", "b", "twin", "twin", "new"), strict=True):
        await store(catalog, number, document.id, content)
    await run(catalog, number)
    [change] = await catalog.changes.page(number, limit=10)
    assert (change.sequence, change.document and change.document.id) == (5, new.id)
    # Their twins that have vanished are never reported as unlisted.
    for hour in (2, 30, 90):
        await catalog.listings.record(list_case(number, [*after, new], hour=hour))
    assert await read_kinds(catalog, number) == ["document_added"]
    # The court goes back to the old ids.
    for hour in (91, 120, 150):
        await catalog.listings.record(list_case(number, [*before, new], hour=hour))
    assert await read_kinds(catalog, number) == ["document_added"]
    assert await catalog.changes.last_sequence(number) == 5


async def test_equal_bytes_filed_on_another_day_are_another_paper(catalog: Catalog, number: str) -> None:
    old, kept = create_documents(2, origins=False)
    await catalog.listings.record(list_case(number, [old, kept]))
    await store(catalog, number, old.id, "form")
    new = replace(create_documents(1, origins=False)[0], filed_at=FILED + timedelta(days=30))
    await catalog.listings.record(list_case(number, [kept, new], hour=1))
    await store(catalog, number, new.id, "form")
    await run(catalog, number)
    await catalog.listings.record(list_case(number, [kept, new], hour=25))
    assert await read_kinds(catalog, number) == ["document_added", "document_unlisted"]


async def test_two_papers_with_the_same_bytes_that_are_both_listed_are_two(catalog: Catalog, number: str) -> None:
    [old] = create_documents(1, origins=False)
    await catalog.listings.record(list_case(number, [old]))
    await store(catalog, number, old.id, "twin")
    [twin] = create_documents(1, origins=False)
    await catalog.listings.record(list_case(number, [twin], hour=1))
    await store(catalog, number, twin.id, "twin")
    await run(catalog, number)
    assert await read_kinds(catalog, number) == []
    # The listing without the old one was only short.
    for hour in (2, 3):
        await catalog.listings.record(list_case(number, [old, twin], hour=hour))
    [change] = await catalog.changes.page(number, limit=10)
    assert (change.kind, change.document and change.document.id) == (ChangeKind.DOCUMENT_ADDED, twin.id)


async def test_a_short_listing_says_nothing(catalog: Catalog, number: str) -> None:
    documents = create_documents(9)
    await catalog.listings.record(list_case(number, documents, 9))
    for hour in (1, 2, 23):
        await catalog.listings.record(list_case(number, documents[:4], 4, hour=hour))
    await catalog.listings.record(list_case(number, documents, 9, hour=24))
    assert await read_kinds(catalog, number) == []


async def test_two_listings_a_day_apart_say_that_a_document_is_unlisted(catalog: Catalog, number: str) -> None:
    kept, gone = create_documents(2)
    await catalog.listings.record(list_case(number, [kept, gone]))
    for hour in (1, 2, 24):
        await catalog.listings.record(list_case(number, [kept], hour=hour))
        assert await read_kinds(catalog, number) == []
    for hour in (25, 26, 70):
        await catalog.listings.record(list_case(number, [kept], hour=hour))
        assert await read_kinds(catalog, number) == ["document_unlisted"]
    for hour in (71, 72):
        await catalog.listings.record(list_case(number, [kept, gone], hour=hour))
        assert await read_kinds(catalog, number) == ["document_unlisted", "document_relisted"]
    for hour in (73, 97):
        await catalog.listings.record(list_case(number, [kept], hour=hour))
    assert await read_kinds(catalog, number) == ["document_unlisted", "document_relisted", "document_unlisted"]


async def test_what_the_court_changes_in_a_document_is_recorded_with_both_values(
    catalog: Catalog, number: str
) -> None:
    [before] = create_documents(1, declared_size_bytes=1000)
    await catalog.listings.record(list_case(number, [before]))
    after = replace(
        before,
        name="Outra.pdf",
        declared_size_bytes=2000,
        filed_at=FILED + timedelta(days=1),
        secrecy=Secrecy.JUSTICE_SECRET,
    )
    # What a listing leaves out is not a change, and a level that says the same is none.
    bare = replace(before, name=None, declared_size_bytes=None, filed_at=None, secrecy=Secrecy.PUBLIC)
    await catalog.listings.record(list_case(number, [bare], hour=1))
    await catalog.listings.record(list_case(number, [before], hour=2))
    assert await read_kinds(catalog, number) == []
    for hour in (3, 4):
        await catalog.listings.record(list_case(number, [after], hour=hour))
    changes = await catalog.changes.page(number, limit=10)
    assert {change.kind for change in changes} == {ChangeKind.DOCUMENT_CHANGED}
    assert [change.details for change in changes] == [
        {"field": "name", "from": "Petição 0.pdf", "to": "Outra.pdf"},
        {"field": "filed_at", "from": "2026-03-02T13:00:00Z", "to": "2026-03-03T13:00:00Z"},
        {"field": "size_bytes", "from": 1000, "to": 2000},
        {"field": "secrecy", "from": "unknown", "to": "justice_secret"},
    ]


@pytest.mark.parametrize("lowered", [False, True])
async def test_a_raised_level_of_an_instance_is_one_change(catalog: Catalog, number: str, lowered: bool) -> None:
    levels = [Secrecy.PUBLIC, Secrecy.MEDIUM]
    if lowered:
        levels.reverse()
    for hour, level in enumerate(levels):
        documents = create_documents(5, secrecy=level)
        listing = list_case(number, documents, 5, hour=hour, secrecy=Secrecy.PUBLIC)
        await catalog.listings.record(replace(listing, instances=(replace(FIRST_DEGREE, secrecy=level),)))
    [change] = await catalog.changes.page(number, limit=10)
    names = [level.value for level in levels]
    expected = {"of": "instance", "instance": "G1:45", "from": names[0], "to": names[1]}
    assert (change.kind, change.details) == (ChangeKind.SECRECY_CHANGED, expected)


async def test_a_raised_level_of_the_process_is_recorded(catalog: Catalog, number: str) -> None:
    documents = create_documents(2)
    for hour, level in enumerate((Secrecy.UNKNOWN, Secrecy.PUBLIC, Secrecy.UNRECOGNIZED, Secrecy.UNRECOGNIZED)):
        await catalog.listings.record(list_case(number, documents, hour=hour, secrecy=level))
    [change] = await catalog.changes.page(number, limit=10)
    assert change.details == {"of": "process", "from": "public", "to": "unrecognized"}


async def test_which_of_many_processes_have_changed_takes_a_few_statements(catalog: Catalog) -> None:
    numbers = [fresh_number() for _ in range(4)]
    quiet, grown, sealed, unknown = numbers
    for number in (quiet, grown, sealed):
        documents = create_documents(3)
        await catalog.listings.record(list_case(number, documents[:1]))
        if number != quiet:
            level = Secrecy.ABSOLUTE if number == sealed else Secrecy.UNKNOWN
            added = [replace(document, secrecy=level) for document in documents[1:]]
            await catalog.listings.record(list_case(number, [documents[0], *added], hour=1))
    with statements() as sent:
        assert await catalog.changes.find_changed(dict.fromkeys(numbers, 0)) == {grown, sealed}
    assert len([each for each in sent if "SELECT" in each.sql]) == 1
    with statements() as sent:
        assert await catalog.changes.find_changed(dict.fromkeys(numbers, 0), open_only=True) == {grown}
    # However many processes are asked for.
    assert len([each for each in sent if "SELECT" in each.sql]) == 4
    assert await catalog.changes.find_changed({grown: 2, sealed: 1}) == {sealed}
    assert await catalog.changes.find_changed({}) == frozenset()
    latest = [change.sequence for change in await catalog.changes.latest(grown, 0, 1)]
    assert latest == [2]
    assert [change.sequence for change in await catalog.changes.latest(grown, 0, 10)] == [2, 1]
    assert await catalog.changes.latest(sealed, 0, 10, open_only=True) == []
    assert await catalog.changes.latest(unknown, 0, 10) == []


async def test_the_log_of_a_closed_process_is_not_read_for_nothing(catalog: Catalog, number: str) -> None:
    documents = create_documents(2)
    await catalog.listings.record(list_case(number, documents))
    await catalog.listings.record(list_case(number, documents, 1200, hour=1))
    await catalog.listings.record(list_case(number, documents, 1800, hour=2, secrecy=Secrecy.JUSTICE_SECRET))
    with statements() as sent:
        found = await catalog.changes.page(number, limit=10, open_only=True)
    assert [change.kind for change in found] == ["secrecy_changed"]
    assert len([each for each in sent if "SELECT" in each.sql]) == 2
    run_id = str(uuid4())
    await catalog.runs.open(RunOpening(number, run_id, "local"))
    refusal = RunEnding(Outcome.FAILED, FailureCode.NO_ACCESS, "HTTP 403")
    await catalog.runs.close(RunClosing(number, run_id, refusal))
    with statements() as sent:
        assert await catalog.changes.page(number, limit=10, open_only=True) == []
    assert len([each for each in sent if "SELECT" in each.sql]) == 1
    assert len(await catalog.changes.page(number, limit=10)) == 10


async def test_movements_that_vanish_and_return_are_no_change(catalog: Catalog, number: str) -> None:
    documents = create_documents(1)
    await catalog.listings.record(list_case(number, documents, 8))
    await catalog.listings.record(list_case(number, documents, 3, hour=1))
    await catalog.listings.record(list_case(number, documents, 0, hour=2, movements_stated=False))
    await catalog.listings.record(list_case(number, documents, 8, hour=99))
    assert await read_kinds(catalog, number) == []


async def test_the_first_listing_that_states_movements_is_their_baseline(catalog: Catalog, number: str) -> None:
    documents = create_documents(2)
    await catalog.listings.record(list_case(number, documents[:1], movements_stated=False))
    await catalog.listings.record(list_case(number, documents, 173, hour=1))
    assert await read_kinds(catalog, number) == ["document_added"]
    await catalog.listings.record(list_case(number, documents, 174, hour=2))
    assert await read_kinds(catalog, number) == ["document_added", "movement_added"]


async def test_a_database_of_before_reports_no_old_movement(new_database: NewDatabase, number: str) -> None:
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    database = Database(url)
    catalog = Catalog(database)
    documents = create_documents(3)
    await catalog.listings.record(list_case(number, documents))
    await catalog.listings.record(list_case(number, documents[:2], hour=1))
    async with database.writing() as connection:
        # As the release before left it, with a document that was unlisted then.
        await connection.execute(text("UPDATE processes SET changes_since = NULL, movements_since = NULL"))
    [new] = create_documents(1)
    new = replace(new, origin_id="new")
    await catalog.listings.record(list_case(number, [*documents[:2], new], 173, hour=90))
    assert await read_kinds(catalog, number) == ["document_added"]
    await catalog.listings.record(list_case(number, [documents[0], new], 174, hour=91))
    await catalog.listings.record(list_case(number, [documents[0], new], 174, hour=120))
    assert await read_kinds(catalog, number) == ["document_added", "movement_added", "document_unlisted"]
    await database.close()


async def test_a_large_listing_takes_a_few_statements(catalog: Catalog, number: str) -> None:
    documents = create_documents(2_000)
    await catalog.listings.record(list_case(number, documents, 1_000))
    # An `executemany` counts once.
    with statements() as executed:
        await catalog.listings.record(list_case(number, documents, 1_000, hour=1))
    assert len(executed) < 40
    assert not any("INTO movements" in each.sql or "UPDATE movements" in each.sql for each in executed)
    with statements() as executed:
        await catalog.listings.record(list_case(number, create_documents(2_000), 1_500, hour=2))
    assert len(executed) < 40
    assert await read_kinds(catalog, number) == ["movement_added"] * 500


async def test_a_planner_without_statistics_of_a_large_process_reads_its_changes(
    new_database: NewDatabase, number: str
) -> None:
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    database = Database(url)
    catalog = Catalog(database)
    for hour in (0, 1):
        await catalog.listings.record(list_case(fresh_number(), create_documents(9), 9 + hour, hour=hour))
    async with database.writing() as connection:
        await connection.execute(text("ANALYZE"))
    await catalog.listings.record(list_case(number, create_documents(2_000), 1_000))
    await catalog.listings.record(list_case(number, create_documents(2_000), 1_500, hour=1))
    # As one join, this takes longer than the database's own limit.
    async with asyncio.timeout(10):
        assert len(await catalog.changes.page(number, limit=500, open_only=True)) == 500
    await database.close()
