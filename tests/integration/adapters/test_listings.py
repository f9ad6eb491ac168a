"""Merging a listing into the catalog: what changes, and what stays."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from adapters.database import Catalog, Database
from adapters.database.tables import processes
from domain.completeness import Completeness
from domain.listings import DocumentOrigin, ListedDocument
from domain.run_messages import ListingSummary
from domain.secrecy import Secrecy
from tests.support.listings import (
    FIRST_DEGREE,
    SECOND_DEGREE,
    document_ids,
    listed,
    listing_of,
    stored_object,
)
from tests.support.statements import statements


async def read_positions(catalog: Catalog, number: str) -> dict[str, int]:
    """Return the positions of the documents that count, by id."""
    return {document.id: document.position for document in await catalog.documents.page(number, limit=1000)}


async def test_a_new_process_gets_its_documents_in_the_listings_order(catalog: Catalog, number: str) -> None:
    ids = document_ids(5)
    assert await catalog.listings.record(listing_of(number, ids)) == ListingSummary(5, 5)
    assert await read_positions(catalog, number) == {document_id: place for place, document_id in enumerate(ids, 1)}
    assert await catalog.processes.count_documents(number) == Completeness(pending=5)


async def test_the_same_listing_again_changes_nothing(catalog: Catalog, number: str) -> None:
    listing = listing_of(number, document_ids(5))
    await catalog.listings.record(listing)
    before = (await catalog.processes.get(number), await catalog.documents.page(number, limit=10))
    assert await catalog.listings.record(listing) == ListingSummary(5, 0)
    assert (await catalog.processes.get(number), await catalog.documents.page(number, limit=10)) == before


async def test_new_documents_are_appended_and_known_ones_keep_their_positions(
    catalog: Catalog, number: str
) -> None:
    old, new = document_ids(3), document_ids(2)
    await catalog.listings.record(listing_of(number, old))
    summary = await catalog.listings.record(listing_of(number, [new[0], *reversed(old), new[1]], hour=1))
    assert summary == ListingSummary(5, 2)
    places = {document_id: place for place, document_id in enumerate([*old, *new], 1)}
    assert await read_positions(catalog, number) == places


async def test_a_stored_document_stays_available_when_its_description_changes(
    catalog: Catalog, number: str
) -> None:
    [document_id] = document_ids(1)
    await catalog.listings.record(listing_of(number, [document_id]))
    await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
    renamed = listed(document_id, name="Petição retificada.pdf")
    await catalog.listings.record(listing_of(number, [renamed], hour=1))
    document = await catalog.documents.get(number, document_id)
    assert document is not None
    assert document.name == "Petição retificada.pdf"
    assert document.stored == stored_object(number, document_id)


async def test_a_withdrawn_document_is_not_counted(catalog: Catalog, number: str) -> None:
    kept, withdrawn = document_ids(2)
    await catalog.listings.record(listing_of(number, [kept, withdrawn]))
    await catalog.listings.record(listing_of(number, [kept], hour=1))
    assert await catalog.processes.count_documents(number) == Completeness(pending=1)
    assert await read_positions(catalog, number) == {kept: 1}
    assert await catalog.documents.list_pending(number, after=0, limit=10) == [(kept, 1)]


async def test_a_withdrawn_document_that_is_stored_still_counts(catalog: Catalog, number: str) -> None:
    kept, withdrawn = document_ids(2)
    await catalog.listings.record(listing_of(number, [kept, withdrawn]))
    await catalog.documents.mark_available(number, withdrawn, stored_object(number, withdrawn))
    await catalog.listings.record(listing_of(number, [kept], hour=1))
    counts = await catalog.processes.count_documents(number)
    assert (counts.available, counts.pending) == (1, 1)
    assert await read_positions(catalog, number) == {kept: 1, withdrawn: 2}


async def test_a_document_that_reappears_has_its_old_position(catalog: Catalog, number: str) -> None:
    first, second, third = document_ids(3)
    await catalog.listings.record(listing_of(number, [first, second]))
    await catalog.listings.record(listing_of(number, [second, third], hour=1))
    summary = await catalog.listings.record(listing_of(number, [first, second, third], hour=2))
    assert summary == ListingSummary(3, 0)
    assert await read_positions(catalog, number) == {first: 1, second: 2, third: 3}


async def test_an_empty_listing_withdraws_everything(catalog: Catalog, number: str) -> None:
    await catalog.listings.record(listing_of(number, document_ids(2)))
    await catalog.listings.record(listing_of(number, [], hour=1))
    assert await catalog.processes.count_documents(number) == Completeness()
    process = await catalog.processes.get(number)
    assert process is not None
    assert process.listed_at == listing_of(number, [], hour=1).listed_at


def build_dual_source_documents(
    ids: list[str], others: list[str], *, sources: tuple[int, int] = (45, 46)
) -> list[ListedDocument]:
    """Build listed documents that two of the court's systems feed, while the first of them is current."""
    return [
        replace(
            listed(own),
            origin_id=str(place),
            sources=(DocumentOrigin(own, sources[0]), DocumentOrigin(other, sources[1])),
        )
        for place, (own, other) in enumerate(zip(ids, others, strict=True))
    ]


async def test_sources_are_recorded_and_updated(catalog: Catalog, number: str) -> None:
    [own], [other] = document_ids(1), document_ids(1)
    [both] = build_dual_source_documents([own], [other])
    await catalog.listings.record(listing_of(number, [both]))
    document = await catalog.documents.get(number, own)
    assert document is not None
    assert document.sources == both.sources
    alone = replace(both, sources=(DocumentOrigin(own, 45, 28_800_000_063),))
    await catalog.listings.record(listing_of(number, [alone], hour=1))
    document = await catalog.documents.get(number, own)
    assert document is not None
    assert document.sources == alone.sources


async def test_documents_keep_their_ids_when_another_source_is_current(catalog: Catalog, number: str) -> None:
    first, second = document_ids(4), document_ids(4)
    await catalog.listings.record(listing_of(number, build_dual_source_documents(first, second)))
    for document_id in first[:3]:
        await catalog.documents.mark_available(number, document_id, stored_object(number, document_id))
    turned = listing_of(number, build_dual_source_documents(second, first, sources=(46, 45)), hour=1)
    assert await catalog.listings.record(turned) == ListingSummary(4, 0)
    assert await read_positions(catalog, number) == {
        document_id: place for place, document_id in enumerate(first, 1)
    }
    counts = await catalog.processes.count_documents(number)
    assert (counts.available, counts.pending) == (3, 1)
    assert await catalog.documents.list_pending(number, after=0, limit=10) == [(first[3], 4)]
    source = await catalog.documents.get_source(number, first[3])
    assert source is not None
    assert source.offers[0].href == f"/processos/0/documentos/{second[3]}/binario"
    document = await catalog.documents.get(number, first[0])
    assert document is not None
    assert document.sources == turned.documents[0].sources
    back = listing_of(number, build_dual_source_documents(first, second), hour=2)
    assert await catalog.listings.record(back) == ListingSummary(4, 0)


async def test_documents_keep_their_ids_when_one_source_ends(catalog: Catalog, number: str) -> None:
    first, second = document_ids(2), document_ids(2)
    await catalog.listings.record(listing_of(number, build_dual_source_documents(first, second)))
    alone = [
        replace(one, sources=one.sources[:1])
        for one in build_dual_source_documents(second, first, sources=(46, 45))
    ]
    for hour in (1, 2):
        summary = await catalog.listings.record(listing_of(number, [*alone, *document_ids(1)], hour=hour))
        assert summary == ListingSummary(3, 1)
    assert list(await read_positions(catalog, number))[:2] == first


@pytest.mark.parametrize(
    ("changes", "new"),
    [
        ({}, 0),
        ({"origin_id": "1"}, 1),
        ({"origin_id": None}, 1),
        ({"sources": (45,)}, 1),
        ({"sources": (None,)}, 1),
        ({"instance": SECOND_DEGREE}, 1),
    ],
    ids=["same", "another origin", "no origin", "same source", "unknown source", "another degree"],
)
async def test_a_document_never_seen_under_its_id_is_known_by_its_origin(
    catalog: Catalog, number: str, changes: dict[str, Any], new: int
) -> None:
    [old], [other] = document_ids(1), document_ids(1)
    before = replace(listed(old), origin_id="0", sources=(DocumentOrigin(old, 45),))
    await catalog.listings.record(listing_of(number, [before]))
    sources = tuple(DocumentOrigin(other, source) for source in changes.get("sources", (46,)))
    after = replace(
        listed(other, instance=changes.get("instance", FIRST_DEGREE)),
        origin_id=changes.get("origin_id", "0"),
        sources=sources,
    )
    both = (FIRST_DEGREE, SECOND_DEGREE)
    summary = await catalog.listings.record(listing_of(number, [after], hour=1, instances=both))
    assert summary == ListingSummary(1, new)
    assert await read_positions(catalog, number) == ({other: 2} if new else {old: 1})


async def test_two_documents_of_one_origin_stay_two_when_the_source_changes(catalog: Catalog, number: str) -> None:
    first, second = document_ids(2), document_ids(2)
    await catalog.listings.record(
        listing_of(number, [replace(one, origin_id="7") for one in build_dual_source_documents(first, second)])
    )
    turned = [replace(one, origin_id="7") for one in build_dual_source_documents(second, first, sources=(46, 45))]
    assert await catalog.listings.record(listing_of(number, turned[::-1], hour=1)) == ListingSummary(2, 0)
    assert await read_positions(catalog, number) == {first[0]: 1, first[1]: 2}


async def test_documents_keep_their_instance(catalog: Catalog, number: str) -> None:
    first, second = document_ids(2)
    both = (FIRST_DEGREE, SECOND_DEGREE)
    await catalog.listings.record(
        listing_of(number, [first, listed(second, instance=SECOND_DEGREE)], instances=both)
    )
    page = await catalog.documents.page(number, limit=10)
    assert [document.instance for document in page] == [FIRST_DEGREE, SECOND_DEGREE]


async def test_a_known_instance_is_updated(catalog: Catalog, number: str) -> None:
    [document_id] = document_ids(1)
    await catalog.listings.record(listing_of(number, [document_id]))
    moved = replace(FIRST_DEGREE, court_unit="2ª VARA CÍVEL", current=False)
    await catalog.listings.record(listing_of(number, [document_id], hour=1, instances=(moved,)))
    document = await catalog.documents.get(number, document_id)
    assert document is not None
    assert document.instance == moved


async def test_all_fields_of_a_process_are_stored(database: Database, catalog: Catalog, number: str) -> None:
    listing = replace(
        listing_of(number, []),
        secrecy=Secrecy.JUSTICE_SECRET,
        class_code=7,
        class_name="Procedimento Comum Cível",
        subjects=("Dano Moral", "Água"),
        filed_at=datetime(2026, 1, 15, 12, 30, 12, 345000, tzinfo=UTC),
        value=Decimal("15000.01"),
    )
    await catalog.listings.record(listing)
    async with database.reading() as connection:
        row = (await connection.execute(select(processes).where(processes.c.number == number))).one()
    assert (row.court, row.secrecy, row.class_code, row.class_name) == (
        "TJMT",
        "justice_secret",
        7,
        listing.class_name,
    )
    assert (tuple(row.subjects), row.filed_at, row.value) == (listing.subjects, listing.filed_at, listing.value)


async def test_concurrent_listings_give_each_document_one_row(catalog: Catalog, number: str) -> None:
    ids = document_ids(20)
    listings = [listing_of(number, ids[: 10 + turn], hour=turn) for turn in range(8)]
    summaries = await asyncio.gather(*(catalog.listings.record(listing) for listing in listings))
    assert sum(summary.new_documents for summary in summaries) == 17
    places = sorted((await read_positions(catalog, number)).values())
    assert places == list(range(1, len(places) + 1))


async def test_naive_times_are_refused(catalog: Catalog, number: str) -> None:
    listing = replace(listing_of(number, []), listed_at=datetime(2026, 1, 1))  # noqa: DTZ001 - this is what is tested.
    with pytest.raises(Exception, match="naive datetime"):
        await catalog.listings.record(listing)


async def test_ten_thousand_documents_take_a_few_statements(catalog: Catalog, number: str) -> None:
    ids = document_ids(10_000)
    await catalog.listings.record(listing_of(number, ids[:5]))
    with statements() as few:
        await catalog.listings.record(listing_of(number, ids[:10], hour=1))
    with statements() as many:
        summary = await catalog.listings.record(listing_of(number, ids, hour=2))
    assert summary == ListingSummary(10_000, 9_990)
    assert len(many) <= len(few) + 2
    assert (await catalog.processes.count_documents(number)).pending == 10_000
