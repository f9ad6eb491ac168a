"""The access trail on both databases: appended before documents are handed over, read newest first."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import pytest
from sqlalchemy import select

from adapters.database import Catalog, Database
from adapters.storage.link_issuer import LinkIssuer
from domain.accesses import Access, AccessFilter, AccessKind, Recipient, RecordedAccess
from domain.clients import ALL_SCOPES, Client
from domain.documents import Document, DocumentStatus, Link
from domain.errors import DependencyUnavailable
from domain.run_messages import RunOpening
from domain.secrecy import Secrecy
from tests.support.listings import FIRST_DEGREE, document_ids, stored_object
from tests.support.numbers import fresh_number
from tests.support.statements import plan, statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.storage.presigned_urls import LinkSigner


@pytest.fixture
async def number(catalog: Catalog) -> str:
    """A process in the catalog, which no other test uses."""
    number = fresh_number()
    await catalog.runs.register(RunOpening(number, str(uuid4()), "desk"))
    return number


DESK = Recipient(Client("desk", ALL_SCOPES, "k3v9x2ab"), "a-request", "matter 14")


def access_to(number: str, *ids: str, recipient: Recipient = DESK, how: AccessKind = AccessKind.LINK) -> Access:
    """Return an access."""
    return Access(recipient, number, how, ids)


async def list_accesses(catalog: Catalog, wanted: AccessFilter, limit: int = 100) -> list[RecordedAccess]:
    """Return the newest accesses that are wanted."""
    return await catalog.accesses.page(wanted, limit=limit)


async def test_an_access_is_read_as_it_was_recorded(catalog: Catalog, number: str) -> None:
    before = datetime.now(UTC)
    event = Recipient(Client("desk", ALL_SCOPES), event_id="evt_1")
    await catalog.accesses.record(access_to(number, "a", "b/1"))
    await catalog.accesses.record(access_to(number, "c", recipient=event, how=AccessKind.EVENT))
    newest, oldest = await list_accesses(catalog, AccessFilter(number))
    assert (oldest.client, oldest.key_id, oldest.how, oldest.document_ids) == (
        *("desk", "k3v9x2ab", AccessKind.LINK),
        ("a", "b/1"),
    )
    assert (oldest.request_id, oldest.purpose, oldest.event_id) == ("a-request", "matter 14", None)
    assert (newest.key_id, newest.request_id, newest.purpose, newest.event_id) == (None, None, None, "evt_1")
    assert before <= oldest.at <= newest.at <= datetime.now(UTC)


async def test_concurrent_accesses_share_a_transaction(catalog: Catalog, number: str) -> None:
    begun = catalog.transactions
    await asyncio.gather(*(catalog.accesses.record(access_to(number, str(place))) for place in range(100)))
    assert catalog.transactions - begun <= 2
    recorded = await list_accesses(catalog, AccessFilter(number))
    assert {access.document_ids for access in recorded} == {(str(place),) for place in range(100)}


async def test_an_access_takes_no_round_trip_for_a_transaction(database_url: str, number: str) -> None:
    if not database_url.startswith("postgresql"):
        pytest.skip("SQLite has no round trips.")
    # With the connection that is kept, and watched.
    database, sent = Database(database_url, pool_size=1), list[str]()
    async with database.writing() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        driver.add_query_logger(lambda logged: sent.append(logged.query))
        await connection.execute(select(1))
    assert sent[-1] == "COMMIT;"
    sent.clear()
    await Catalog(database).accesses.record(access_to(number, "a"))
    await database.close()
    assert not {"BEGIN;", "ROLLBACK;", "COMMIT;"} & set(sent)


async def test_an_access_takes_one_insert_whatever_its_size(catalog: Catalog, number: str) -> None:
    ids = document_ids(10_000)
    with statements() as executed:
        await catalog.accesses.record(access_to(number, *ids))
    assert len([one for one in executed if one.sql.startswith("INSERT")]) == 1
    [access] = await list_accesses(catalog, AccessFilter(number))
    assert access.document_ids == tuple(ids)


async def test_a_document_is_found_with_its_former_contents_and_no_other(catalog: Catalog, number: str) -> None:
    first, second = (str(uuid4()) for _ in range(2))
    await catalog.accesses.record(access_to(number, f"{first}/1", second))
    await catalog.accesses.record(access_to(number, second))
    wanted = AccessFilter(number, document_id=first)
    assert [access.document_ids for access in await list_accesses(catalog, wanted)] == [(f"{first}/1", second)]
    assert await list_accesses(catalog, AccessFilter(number, document_id="%")) == []


async def test_pages_are_complete_and_in_order(catalog: Catalog, number: str) -> None:
    for place in range(7):
        await catalog.accesses.record(access_to(number, str(place)))
    seen: list[str] = []
    before = None
    while page := await catalog.accesses.page(AccessFilter(number), before=before, limit=3):
        seen += [access.document_ids[0] for access in page]
        before = (page[-1].at, page[-1].number)
    assert seen == [str(place) for place in reversed(range(7))]
    until = AccessFilter(number, until=datetime.now(UTC) - timedelta(hours=1))
    assert await list_accesses(catalog, until) == []


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (AccessFilter(), "ix_accesses_at_number"),
        (AccessFilter(since=datetime(2026, 1, 1, tzinfo=UTC)), "ix_accesses_at_number"),
        (AccessFilter("1011745-77.2025.8.11.0041", document_id="x"), "ix_accesses_process_number_at_number"),
        (AccessFilter(client="desk"), "ix_accesses_client_at_number"),
    ],
)
async def test_a_page_uses_an_index(catalog: Catalog, database: Database, wanted: AccessFilter, index: str) -> None:
    with statements() as executed:
        await catalog.accesses.page(wanted, before=(datetime.now(UTC), 7), limit=20)
    [statement] = [one for one in executed if one.sql.startswith("SELECT")]
    assert index in await plan(database, statement)


class Signer:
    """Signs at once, and knows whether it was asked."""

    def __init__(self) -> None:
        self.signed: list[str] = []

    async def sign_all(self, documents: Sequence[Document], *, inline: bool = False) -> dict[str, Link]:
        """Return links."""
        self.signed += [document.id for document in documents]
        return {document.id: Link(f"https://store.test/{inline}", datetime.now(UTC)) for document in documents}


def stored_document(number: str, document_id: str, *, stored: bool = True) -> Document:
    """Return a document."""
    return Document(
        id=document_id,
        position=1,
        status=DocumentStatus.AVAILABLE if stored else DocumentStatus.PENDING,
        name=None,
        type_name=None,
        filed_at=None,
        instance=FIRST_DEGREE,
        secrecy=Secrecy.PUBLIC,
        pages=None,
        stored=stored_object(number, document_id) if stored else None,
    )


async def test_links_are_handed_over_only_once_the_access_is_recorded(number: str) -> None:
    may_record, recorded = asyncio.Event(), list[Access]()

    async def record(access: Access) -> None:
        await may_record.wait()
        recorded.append(access)

    issuer = LinkIssuer(cast("LinkSigner", Signer()), record)
    first, second = document_ids(2)
    documents = [stored_document(number, first), stored_document(number, second, stored=False)]
    issuing = asyncio.ensure_future(
        issuer.issue(documents, DESK, process_number=number, how=AccessKind.LINK, inline=True)
    )
    done, _ = await asyncio.wait([issuing], timeout=0.05)
    assert not done
    may_record.set()
    assert first in await issuing
    assert recorded == [access_to(number, first)]


async def test_no_link_leaves_if_the_access_cannot_be_recorded(number: str) -> None:
    async def record(_: Access) -> None:
        raise DependencyUnavailable("database", "away")

    issuer = LinkIssuer(cast("LinkSigner", Signer()), record)
    with pytest.raises(DependencyUnavailable):
        await issuer.issue(
            [stored_document(number, document_ids(1)[0])], DESK, process_number=number, how=AccessKind.LINK
        )


async def test_nothing_is_recorded_where_nothing_is_stored(number: str) -> None:
    async def record(_: Access) -> None:
        raise AssertionError("there was no access")

    issuer = LinkIssuer(cast("LinkSigner", Signer()), record)
    document = stored_document(number, document_ids(1)[0], stored=False)
    assert await issuer.issue([document], DESK, process_number=number, how=AccessKind.LINK) == {}


async def test_an_operator_may_decide_against_the_trail(database: Database, number: str) -> None:
    catalog = Catalog(database)
    catalog.accesses.is_kept = False
    await catalog.accesses.record(access_to(number, "a"))
    assert await list_accesses(catalog, AccessFilter(number)) == []
