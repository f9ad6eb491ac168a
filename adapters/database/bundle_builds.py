"""What builds and sweeps of bundles read: the documents with their contents, and bundles that may go."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, exists, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.bundle_rows import read_guard, to_bundle
from adapters.database.bundle_tables import bundle_documents, bundles
from adapters.database.case_tables import parties
from adapters.database.document_rows import SELECT_DOCUMENTS, to_document
from adapters.database.engine import Database, read_clock
from adapters.database.process_rows import is_counted_in
from adapters.database.tables import documents, instances, processes
from adapters.database.tombstones import refuse_erased
from adapters.database.versions import attach_versions
from domain.bundle_contents import CoverFacts, CoverParty, OmissionReason
from domain.bundles import BundleBuild, BundleMember, BundleState
from domain.documents import Document
from domain.errors import BundleFailureCode, BundleRefused
from domain.secrecy import OPEN_LEVELS

_PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class KeptBundle:
    """A bundle as a sweep sees it.

    Attributes:
        object_key: None unless it is ready.
    """

    id: str
    process_number: str
    object_key: str | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class KeptBundlesPage:
    """Bundles in the order in which they were last requested.

    Attributes:
        following: Where the next page begins. None on the last page.
    """

    bundles: tuple[KeptBundle, ...]
    following: str | None


class BundleBuildRepository:
    """The tables of bundles, as builds and sweeps read them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_documents(self, number: str) -> list[Document]:
        """Return all documents of a process by position, from one snapshot.

        Raises:
            ProcessErased: The process was erased, or is being erased.
        """
        async with self._database.reading() as connection:
            await refuse_erased(connection, number)
            return await _list_documents(connection, number)

    async def read(self, bundle_id: str) -> BundleBuild | None:
        """Return what a build needs to know. None if the bundle is gone, or has ended.

        Raises:
            ProcessErased: Its process was erased, or is being erased.
            BundleRefused: A document is no longer stored as it was when the bundle was requested.
        """
        async with self._database.reading() as connection:
            is_open = select(bundles).where(bundles.c.id == bundle_id, bundles.c.state == BundleState.BUILDING)
            row = (await connection.execute(is_open)).one_or_none()
            if row is None:
                return None
            await refuse_erased(connection, row.process_number)
            known = {each.id: each for each in await _list_documents(connection, row.process_number)}
            entries = await connection.execute(
                select(bundle_documents)
                .where(bundle_documents.c.bundle_id == bundle_id)
                .order_by(bundle_documents.c.place)
            )
            members = tuple(_to_member(entry, known) for entry in entries)
            keys = {member.document.instance.key for member in members if member.document is not None}
            facts = await _read_facts(connection, row.process_number, len(known), keys)
            bundle = to_bundle(row, await read_guard(connection, row.process_number, bundle_id))
        return BundleBuild(bundle, facts, members)

    async def now(self) -> datetime:
        """Return the database's time."""
        async with self._database.reading() as connection:
            return await read_clock(connection)

    async def list_requested(
        self, *, before: datetime | None = None, after: str = "", state: BundleState | None = None
    ) -> KeptBundlesPage:
        """Return a page of bundles, in the order in which they were last requested.

        Args:
            before: Only those that were last requested earlier. None means all.
            after: Where the page begins. Empty for the first page.
            state: Only those in this state. None means all.
        """
        key = (bundles.c.requested_at, bundles.c.id)
        page = select(bundles.c.process_number, bundles.c.object_key, bundles.c.size_bytes, *key)
        if before is not None:
            page = page.where(bundles.c.requested_at < before)
        if state is not None:
            page = page.where(bundles.c.state == state)
        if after:
            moment, _, bundle_id = after.partition(" ")
            page = page.where(tuple_(*key) > tuple_(datetime.fromisoformat(moment), bundle_id))
        async with self._database.reading() as connection:
            rows = (await connection.execute(page.order_by(*key).limit(_PAGE_SIZE))).all()
        found = tuple(KeptBundle(row.id, row.process_number, row.object_key, row.size_bytes) for row in rows)
        is_last = len(rows) < _PAGE_SIZE
        return KeptBundlesPage(found, None if is_last else f"{rows[-1].requested_at.isoformat()} {rows[-1].id}")

    async def has_any(self, number: str) -> bool:
        """Return whether a process has bundles."""
        async with self._database.reading() as connection:
            return bool(await connection.scalar(select(exists().where(bundles.c.process_number == number))))

    async def has_file(self, object_key: str) -> bool:
        """Return whether a file is that of a bundle."""
        async with self._database.reading() as connection:
            return bool(await connection.scalar(select(exists().where(bundles.c.object_key == object_key))))


async def _list_documents(connection: AsyncConnection, number: str) -> list[Document]:
    rows = await connection.execute(SELECT_DOCUMENTS.where(is_counted_in(number)).order_by(documents.c.position))
    return await attach_versions(connection, number, [to_document(row) for row in rows])


def _to_member(entry: Row[Any], known: dict[str, Document]) -> BundleMember:
    if entry.document_id is None:
        return BundleMember(entry.place, entry.position, omitted=OmissionReason.WITHHELD)
    document = known.get(entry.document_id)
    omitted = OmissionReason(entry.omitted) if entry.omitted else None
    contents = document.contents() if document else ()
    stored = next((each.stored for each in contents if each.stored and each.stored.sha256 == entry.sha256), None)
    if document is None or (stored is None and entry.sha256 is not None):
        raise BundleRefused(
            BundleFailureCode.SOURCE_DAMAGED,
            f"The document {entry.document_id} is no longer stored as it was. Request a download, then the bundle.",
        )
    if stored is None:
        return BundleMember(entry.place, entry.position, document, None, omitted)
    return BundleMember(entry.place, entry.position, replace(document, stored=stored), stored, omitted)


async def _read_facts(connection: AsyncConnection, number: str, total: int, keys: Collection[str]) -> CoverFacts:
    """Return what a bundle says of its process.

    Parties of an instance are named only if a document of the instance is in the bundle: when the court seals the
    instance, the document closes the bundle. What is sealed now has no parties. The class, which is that of the
    current instance, and the court units are named in the same way.

    Args:
        connection: The transaction.
        number: The process.
        total: How many documents it has.
        keys: The keys of the instances whose documents are in the bundle.
    """
    process = (await connection.execute(select(processes).where(processes.c.number == number))).one()
    units = await connection.scalars(
        select(instances.c.court_unit)
        .where(instances.c.process_number == number, instances.c.key.in_(keys), instances.c.court_unit.is_not(None))
        .order_by(instances.c.id)
    )
    current = await connection.scalars(
        select(instances.c.key).where(instances.c.process_number == number, instances.c.current.is_(True))
    )
    named = await connection.execute(
        select(parties.c.pole, parties.c.name)
        .join(instances, parties.c.instance_id == instances.c.id)
        .join(processes, parties.c.process_number == processes.c.number)
        .where(
            parties.c.process_number == number,
            instances.c.key.in_(keys),
            *(table.c.secrecy.in_(OPEN_LEVELS) for table in (instances, processes)),
        )
        .order_by(parties.c.position)
    )
    return CoverFacts(
        number,
        process.court,
        process.listed_at,
        total,
        class_name=process.class_name if {*current} <= {*keys} else None,
        court_units=tuple(dict.fromkeys(units)),
        parties=tuple(dict.fromkeys(CoverParty(_role_of(row.pole), row.name) for row in named)),
    )


def _role_of(pole: str | None) -> str:
    """Return a pole as the cover names it, in Portuguese."""
    return f"Polo {pole.lower()}" if pole else "Parte"
