"""Searches in the documents of a process: filters, orders, pages, and what is withheld."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text, update

from adapters.database import Catalog, Database
from adapters.database.search_texts import fill_search_texts
from adapters.database.tables import documents as documents_table
from domain.clients import Scope
from domain.document_search import DocumentFilters, DocumentOrder, DocumentState, state_of
from domain.documents import Document
from domain.errors import FailureCode
from domain.listings import Instance, ListedDocument
from domain.secrecy import Secrecy, is_withheld
from tests.integration.adapters.conftest import NewDatabase
from tests.support.listings import FIRST_DEGREE, SECOND_DEGREE, document_ids, listed, listing_of, stored_object
from tests.support.migrations import open_upgraded_catalog
from tests.support.numbers import fresh_number

READER, ARCHIVIST = frozenset({Scope.READ}), frozenset({Scope.READ, Scope.SEALED})
FIRST_FILED = datetime(2026, 1, 5, 3, tzinfo=UTC)
NAMES = ("Petição Inicial.pdf", "decisão.pdf", "Laudo 50%_final.pdf", "Ofício", "ata", "Certidão", "Zelo", "Ato")
TYPES = ("Petição", "Decisão", "Laudo", "Ofício", "Petição", "Certidão", None, "Outros")


@dataclass(frozen=True)
class Searched:
    """A process with eight documents; the seventh is secret, the eighth no longer listed."""

    catalog: Catalog
    number: str
    ids: list[str]

    async def find(
        self, order: DocumentOrder = DocumentOrder.LISTED, *, scopes: frozenset[Scope] = READER, **filters: object
    ) -> list[int]:
        """Return the places of all matching documents from pages of three, as ordered."""
        wanted = DocumentFilters(**filters)  # type: ignore[arg-type]  # Each call names fields.
        places: list[int] = []
        after = 0
        while True:
            found = await self.catalog.document_search.find(
                self.number, wanted, order, scopes=scopes, after=after, limit=3
            )
            places += [found.numbers[document.id] for document in found.documents]
            if len(found.documents) < 3:
                assert found.matches == len(places)
                return places
            after = found.documents[-1].position


def listed_documents(ids: list[str]) -> list[ListedDocument]:
    """Return the documents, filed on eight days, the fourth without a date."""
    return [
        replace(
            listed(id_, name=name, instance=SECOND_DEGREE if place >= 5 else FIRST_DEGREE),
            type_name=type_name,
            filed_at=None if place == 3 else FIRST_FILED + timedelta(days=place),
            secrecy=Secrecy.JUSTICE_SECRET if place == 6 else Secrecy.PUBLIC,
        )
        for place, (id_, name, type_name) in enumerate(zip(ids, NAMES, TYPES, strict=True))
    ]


@pytest.fixture(scope="module")
async def searched(catalog: Catalog) -> Searched:
    """The process, with a document in each state."""
    number, ids = fresh_number(), document_ids(8)
    instances = (FIRST_DEGREE, SECOND_DEGREE)
    everything = listed_documents(ids)
    await catalog.listings.record(listing_of(number, everything, instances=instances))
    for place in (0, 1, 6, 7):
        stored = stored_object(number, ids[place], size_bytes=1000 * (8 - place))
        await catalog.documents.mark_available(number, ids[place], stored)
    for place, code in ((2, FailureCode.TRUNCATED), (3, FailureCode.NO_CONTENT)):
        await catalog.documents.record_failed_attempt(number, ids[place], code, "", allowed_attempts=1)
    # Among documents that count, one that does not: it was never stored and is not listed any more.
    await catalog.listings.record(listing_of(number, [*everything, *document_ids(1)], instances=instances))
    await catalog.listings.record(listing_of(number, everything[:-1], instances=instances, hour=1))
    return Searched(catalog, number, ids)


@pytest.mark.parametrize(
    ("filters", "places"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"text": "PETICAO"}, [1, 5]),
        ({"text": "inicial petição"}, [1]),
        ({"text": "50%_"}, [3]),
        ({"text": "5%f"}, []),
        ({"text": "%"}, [3]),
        ({"type_name": "Petição"}, [1, 5]),
        ({"instance": SECOND_DEGREE.key}, [6, 7, 8]),
        ({"state": DocumentState.AVAILABLE}, [1, 2]),
        ({"state": DocumentState.RESTRICTED}, [7, 8]),
        ({"state": DocumentState.PENDING}, [5, 6]),
        ({"state": DocumentState.FAILED}, [3]),
        ({"state": DocumentState.NO_CONTENT}, [4]),
        ({"filed_from": FIRST_FILED + timedelta(days=1)}, [2, 3, 5, 6]),
        ({"filed_before": FIRST_FILED + timedelta(days=1)}, [1]),
        ({"text": "a", "state": DocumentState.PENDING, "filed_before": FIRST_FILED + timedelta(days=5)}, [5]),
    ],
)
async def test_filters(searched: Searched, filters: dict[str, object], places: list[int]) -> None:
    assert await searched.find(**filters) == places  # type: ignore[arg-type]  # Each case names fields.


@pytest.mark.parametrize(
    "filters",
    [
        {"text": "zelo"},
        {"text": "outros"},
        {"type_name": "Outros"},
        {"filed_from": FIRST_FILED + timedelta(days=6)},
    ],
)
async def test_a_withheld_document_is_found_only_with_the_scope(
    searched: Searched, filters: dict[str, Any]
) -> None:
    assert await searched.find(**filters) == []
    assert await searched.find(scopes=ARCHIVIST, **filters) != []


@pytest.mark.parametrize(
    ("order", "for_reader", "for_archivist"),
    [
        # Withheld documents come last, in the order of their positions, whatever they are called.
        (DocumentOrder.OLDEST, [1, 2, 3, 5, 6, 4, 7, 8], [1, 2, 3, 5, 6, 7, 8, 4]),
        (DocumentOrder.NEWEST, [6, 5, 3, 2, 1, 4, 7, 8], [8, 7, 6, 5, 3, 2, 1, 4]),
        (DocumentOrder.NAME, [5, 6, 2, 3, 4, 1, 7, 8], [5, 8, 6, 2, 3, 4, 1, 7]),
        (DocumentOrder.LARGEST, [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 7, 8, 3, 4, 5, 6]),
    ],
)
async def test_orders(
    searched: Searched, order: DocumentOrder, for_reader: list[int], for_archivist: list[int]
) -> None:
    assert await searched.find(order) == for_reader
    assert await searched.find(order, scopes=ARCHIVIST) == for_archivist


async def test_a_page_says_what_there_is(searched: Searched) -> None:
    for scopes, withheld in ((READER, 2), (ARCHIVIST, 0)):
        found = await searched.catalog.document_search.find(
            searched.number, DocumentFilters(text="nothing"), DocumentOrder.LISTED, scopes=scopes, limit=9
        )
        assert (found.matches, found.documents) == (0, ())
        assert found.states.get(DocumentState.RESTRICTED, 0) == withheld
        assert found.states[DocumentState.AVAILABLE] == 4 - withheld
        assert found.readable_bytes == (15_000 if withheld else 18_000)
        assert ("Outros" in found.types) is (not withheld)
        assert found.types["Petição"] == 2
        assert {instance.key: count for instance, count in found.instances.items()} == {
            FIRST_DEGREE.key: 5,
            SECOND_DEGREE.key: 3,
        }


async def test_a_document_that_an_older_service_wrote_is_found(searched: Searched, database: Database) -> None:
    of_this = documents_table.c.id == searched.ids[3]
    async with database.writing() as connection:
        former = (await connection.execute(documents_table.select().where(of_this))).one().search_text
        await connection.execute(update(documents_table).where(of_this).values(search_text=None))
    assert await searched.find(text="cio") == [4]
    async with database.writing() as connection:
        await connection.execute(update(documents_table).where(of_this).values(search_text=former))


@pytest.fixture(scope="module")
async def levels(catalog: Catalog) -> list[Document]:
    """Documents with every combination of levels that decides, listed or not."""
    some = (Secrecy.UNKNOWN, Secrecy.PUBLIC, Secrecy.JUSTICE_SECRET, Secrecy.UNRECOGNIZED)
    numbers = []
    for of_process, of_instance in itertools.product(some, some):
        number, ids = fresh_number(), document_ids(2 * len(some))
        numbers.append(number)
        instance = Instance("G1:1", secrecy=of_instance)
        each = [
            replace(listed(id_, instance=instance), secrecy=level) for id_, level in zip(ids, some * 2, strict=True)
        ]
        for hour, kept in enumerate((each, each[: len(some)])):
            listing = replace(listing_of(number, kept, instances=(instance,), hour=hour), secrecy=of_process)
            await catalog.listings.record(listing)
            if not hour:
                for id_ in ids:
                    await catalog.documents.mark_available(number, id_, stored_object(number, id_))
    await catalog.listings.mark_unlisted(numbers[0], datetime(2026, 3, 2, tzinfo=UTC))
    return [document for number in numbers for document in await catalog.documents.page(number, limit=99)]


async def test_the_query_withholds_what_the_rule_withholds(catalog: Catalog, levels: list[Document]) -> None:
    assert {is_withheld(document, READER) for document in levels} == {True, False}
    for scopes in (READER, ARCHIVIST):
        expected = {document.id: state_of(document, scopes) for document in levels}
        found: dict[str, DocumentState] = {}
        for number in {document.stored.key.split("/")[1] for document in levels if document.stored}:
            for state in DocumentState:
                page = await catalog.document_search.find(
                    number, DocumentFilters(state=state), DocumentOrder.NAME, scopes=scopes, limit=99
                )
                found |= {document.id: state for document in page.documents}
        assert found == expected


def insert_documents(connection: Connection) -> None:
    """Insert more documents than the migration updates at once, as they were before it."""
    at = datetime(2026, 3, 2, tzinfo=UTC)
    connection.execute(
        text("INSERT INTO processes (number, court, secrecy, created_at) VALUES ('p', 'TJMT', 'unknown', :at)"),
        {"at": at},
    )
    connection.execute(text("INSERT INTO instances (id, process_number, key, current) VALUES (1, 'p', 'G1', true)"))
    connection.execute(
        text(
            "INSERT INTO documents (process_number, id, position, instance_id, name, type_name, secrecy,"
            " first_listed_at, last_listed_at, withdrawn, status)"
            " VALUES ('p', :id, :position, 1, 'Petição', 'Ofício', 'public', :at, :at, false, 'pending')"
        ),
        [{"id": f"{place:04}", "position": place, "at": at} for place in range(1, 2102)],
    )


async def test_the_migration_makes_known_documents_searchable(new_database: NewDatabase) -> None:
    async with open_upgraded_catalog(await new_database(), "0013", insert_documents) as catalog:
        found = await catalog.document_search.find(
            "p", DocumentFilters(text="PETICAO oficio"), DocumentOrder.NAME, scopes=READER, limit=1
        )
        assert found.matches == 2101


async def test_missing_search_texts_are_filled_beside_a_listing_that_holds_a_row(new_database: NewDatabase) -> None:
    url = await new_database()
    async with open_upgraded_catalog(url, "0013", insert_documents):
        service, migration = Database(url), Database(url)
        async with service.writing() as connection:
            await connection.execute(update(documents_table).values(search_text=None))
        if service.dialect == "sqlite":
            # One writer at a time: there is no row to pass over.
            assert await fill_search_texts(migration) == 2101
        else:
            async with service.writing() as connection:
                await connection.execute(
                    update(documents_table).where(documents_table.c.id == "0007").values(pages=3)
                )
                assert await asyncio.wait_for(fill_search_texts(migration), 30) == 2100
            assert await fill_search_texts(migration) == 1
        assert await fill_search_texts(migration) == 0
        await service.close()
        await migration.close()
