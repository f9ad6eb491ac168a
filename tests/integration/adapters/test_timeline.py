"""The timeline: movements and documents in one order, page by page, and the data of the case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from sqlalchemy import text

from adapters.database import Catalog, Database
from api.pagination import TIMELINE_CURSOR
from domain.cases import Movement, TimelineEntry, TimelineKey
from domain.clients import Scope
from domain.listings import Lawyer, ListedMovement, Listing, Party, RelatedProcess
from domain.secrecy import Secrecy, is_withheld
from tests.support.listings import FIRST_DEGREE, SECOND_DEGREE, document_ids, listed, listing_of, stored_object
from tests.support.statements import plan, statements

NOON = datetime(2026, 3, 2, 15, tzinfo=UTC)
READER = frozenset({Scope.READ})


def movement(
    key: str, at: datetime | None, level: Secrecy = Secrecy.UNKNOWN, **fields: str | None
) -> ListedMovement:
    """Return a movement."""
    return ListedMovement(key * 36, FIRST_DEGREE.key, at, 60, f"text of {key}", fields.get("document_id"), level)


def list_timeline(number: str) -> tuple[Listing, list[str]]:
    """Return a listing in which all moments are shared by several entries, and the ids of its documents."""
    moments = [NOON, NOON + timedelta(microseconds=1), datetime(1931, 5, 2, tzinfo=UTC), None]
    ids = document_ids(12)
    documents = [replace(listed(document_id), filed_at=moments[place % 4]) for place, document_id in enumerate(ids)]
    movements = tuple(movement(f"{place:x}", moments[place % 4]) for place in range(13))
    return replace(listing_of(number, documents), movements=movements), ids


async def read_all(catalog: Catalog, number: str, limit: int, *, open_only: bool = False) -> list[TimelineEntry]:
    """Read the timeline page by page, through cursors as the API writes them."""
    entries: list[TimelineEntry] = []
    after: TimelineKey | None = None
    while True:
        page = await catalog.cases.timeline(number, after=after, limit=limit, open_only=open_only)
        entries += page
        if len(page) < limit:
            return entries
        after = TIMELINE_CURSOR.decode(TIMELINE_CURSOR.encode(page[-1].key))


def keys_of(entries: Sequence[TimelineEntry]) -> list[TimelineKey]:
    """Return where the entries stand."""
    return [entry.key for entry in entries]


@pytest.mark.parametrize("limit", [1, 2, 5, 7, 100])
async def test_every_entry_is_on_exactly_one_page_in_the_order_of_time(
    catalog: Catalog, number: str, limit: int
) -> None:
    listing, ids = list_timeline(number)
    await catalog.listings.record(listing)
    keys = keys_of(await read_all(catalog, number, limit))
    assert len(keys) == len(set(keys)) == 25
    assert {key.id for key in keys} == {*ids, *(each.key for each in listing.movements)}
    dated = [key for key in keys if key.at is not None]
    assert keys[: len(dated)] == dated
    assert [key.at for key in dated] == sorted((key.at for key in dated if key.at), reverse=True)
    for moment in {key.at for key in keys}:
        # At one moment, the movement stands beside the document that it is about, and before it.
        kinds = [key.is_movement for key in keys if key.at == moment]
        assert kinds == sorted(kinds, reverse=True)


async def test_an_entry_that_comes_meanwhile_moves_no_other(catalog: Catalog, number: str) -> None:
    listing, _ = list_timeline(number)
    await catalog.listings.record(listing)
    before = await read_all(catalog, number, 100)
    late = movement("f", NOON + timedelta(days=9))
    page = await catalog.cases.timeline(number, after=None, limit=5)
    await catalog.listings.record(replace(listing, movements=(*listing.movements, late)))
    rest = await catalog.cases.timeline(number, after=page[-1].key, limit=100)
    assert keys_of([*page, *rest]) == keys_of(before)


async def test_the_database_leaves_out_exactly_what_the_rule_withholds(catalog: Catalog, number: str) -> None:
    random = Random(number)
    levels = [Secrecy.UNKNOWN, Secrecy.PUBLIC, Secrecy.JUSTICE_SECRET, Secrecy.UNRECOGNIZED]
    second = replace(SECOND_DEGREE, secrecy=Secrecy.MINIMUM)
    ids = document_ids(16)
    documents = [
        replace(listed(each, instance=random.choice([FIRST_DEGREE, second])), secrecy=random.choice(levels))
        for each in ids
    ]
    movements = tuple(
        replace(
            movement(f"{place:x}", NOON, random.choice(levels), document_id=document_id),
            instance_key=random.choice([FIRST_DEGREE, second]).key,
        )
        for place, document_id in enumerate(ids)
    )
    whole = replace(listing_of(number, documents, instances=(FIRST_DEGREE, second)), movements=movements)
    first = replace(whole, documents=(), movements=())
    await catalog.listings.record(first)
    await catalog.listings.record(replace(whole, listed_at=whole.listed_at + timedelta(hours=1)))
    for document_id in ids:
        await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
    # Some are no longer listed.
    short = replace(whole, documents=whole.documents[4:], movements=movements[4:])
    for hour in (2, 30):
        await catalog.listings.record(replace(short, listed_at=whole.listed_at + timedelta(hours=hour)))
    everything = await read_all(catalog, number, 100)
    shown = [entry for entry in everything if not is_withheld(entry.content, READER)]
    assert len(everything) == 32
    assert 0 < len(shown) < 20
    assert keys_of(await read_all(catalog, number, 3, open_only=True)) == keys_of(shown)
    open_ids = {entry.key.id for entry in shown}
    for entry in everything:
        if isinstance(entry.content, Movement) and entry.content.document_id is not None:
            assert entry.content.document_is_open is (entry.content.document_id in open_ids)
    changes = await catalog.changes.page(number, limit=100)
    visible = [change.sequence for change in changes if not is_withheld(change, READER)]
    assert 0 < len(visible) < len(changes)
    found = await catalog.changes.page(number, limit=100, open_only=True)
    assert [change.sequence for change in found] == visible
    # Of a process that the court no longer shows, nothing is left.
    await catalog.listings.mark_unlisted(number, NOON)
    assert await read_all(catalog, number, 100, open_only=True) == []
    assert await catalog.changes.page(number, limit=100, open_only=True) == []


async def test_the_case_is_that_of_the_last_listing(catalog: Catalog, number: str) -> None:
    parties = (
        Party(
            FIRST_DEGREE.key, "AUTORA SINTÉTICA", "ATIVO", (Lawyer("ADVOGADA SINTÉTICA", "ADVOGADO", "MT12345"),)
        ),
        Party(SECOND_DEGREE.key, "RÉ SINTÉTICA"),
    )
    related = (RelatedProcess(FIRST_DEGREE.key, "1000002-36.2026.8.11.0041", "CONEXAO", 7, "Comum", active=True),)
    both = replace(
        listing_of(number, [], instances=(replace(FIRST_DEGREE, subjects=("Dano",), class_code=7), SECOND_DEGREE)),
        parties=parties,
        related=related,
    )
    await catalog.listings.record(both)
    case = await catalog.cases.get(number)
    assert case is not None
    assert (case.parties, case.related) == (parties, related)
    assert [each.instance.key for each in case.instances] == ["G1:45", "G2:45"]
    assert (case.instances[0].instance.subjects, case.instances[0].instance.class_code) == (("Dano",), 7)
    with statements() as executed:
        await catalog.listings.record(replace(both, listed_at=both.listed_at + timedelta(hours=1)))
    assert not any(each.sql.startswith(("INSERT INTO parties", "DELETE FROM parties")) for each in executed)
    alone = replace(both, instances=(FIRST_DEGREE,), parties=parties[:1], related=())
    await catalog.listings.record(replace(alone, listed_at=both.listed_at + timedelta(hours=2)))
    case = await catalog.cases.get(number)
    assert case is not None
    assert (case.parties, case.related) == (parties[:1], ())
    assert [each.listed for each in case.instances] == [True, False]


async def test_a_deployment_that_stores_no_parties_deletes_those_it_has(catalog: Catalog, number: str) -> None:
    listing = replace(listing_of(number, []), parties=(Party(FIRST_DEGREE.key, "AUTORA SINTÉTICA"),))
    await catalog.listings.record(listing)
    catalog.listings.are_parties_stored = False
    try:
        await catalog.listings.record(listing)
    finally:
        catalog.listings.are_parties_stored = True
    case = await catalog.cases.get(number)
    assert case is not None
    assert case.parties == ()


async def test_a_paper_under_another_id_is_in_the_timeline_once(catalog: Catalog, number: str) -> None:
    old, new = document_ids(2)
    for hour, document_id in enumerate((old, new)):
        await catalog.listings.record(listing_of(number, [replace(listed(document_id), filed_at=NOON)], hour=hour))
        await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
    await catalog.listings.record(listing_of(number, [replace(listed(new), filed_at=NOON)], hour=2))
    assert [key.id for key in keys_of(await read_all(catalog, number, 10))] == [new]


@pytest.mark.parametrize("open_only", [False, True])
async def test_a_page_of_the_timeline_is_read_in_order_of_its_indexes(
    catalog: Catalog, database: Database, number: str, open_only: bool
) -> None:
    moments = [NOON + timedelta(hours=hour) for hour in range(400)]
    documents = [
        replace(listed(document_id), filed_at=at)
        for document_id, at in zip(document_ids(400), moments, strict=True)
    ]
    movements = tuple(replace(movement("a", at), key=f"{place:040x}") for place, at in enumerate(moments))
    await catalog.listings.record(replace(listing_of(number, documents), movements=movements))
    async with database.writing() as connection:
        await connection.execute(text("ANALYZE"))
    after = TimelineKey(moments[300], True, f"{300:040x}")
    with statements() as executed:
        page = await catalog.cases.timeline(number, after=after, limit=20, open_only=open_only)
    assert len(page) == 20
    plans = [await plan(database, each) for each in executed if each.sql.startswith("SELECT")]
    assert len(plans) == 2
    for table, one in zip(("movements", "documents"), plans, strict=True):
        assert f"ix_{table}_process_number_" in one, one
        assert "Sort" not in one, one
        assert "ORDER BY" not in one, one
