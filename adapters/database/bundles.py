"""Bundles: requested once, built once. Who may have one is decided by its documents as they are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database.bundle_news import reset_told, tell_of_bundle
from adapters.database.bundle_rows import read_guard, to_bundle, write_omission
from adapters.database.bundle_tables import bundle_documents, bundle_subscriptions, bundles
from adapters.database.engine import Database
from adapters.database.tombstones import claim_process, lock_process, refuse_erased
from adapters.database.upserts import insert_into
from adapters.database.webhook_tables import deliveries
from domain.bundle_contents import Omission
from domain.bundle_selection import BundleSelection
from domain.bundles import Bundle, BundleFailure, BundleProgress, BundleState
from domain.delivery_messages import DeliveryRef
from domain.documents import StoredObject

_PAGE_SIZE = 100
# Retention counts from the last request. A write for each would make a read of the catalog a write.
_RENEWED_AFTER = timedelta(days=1)
_UNBUILT: Mapping[str, Any] = {
    "state": BundleState.BUILDING,
    "done_documents": 0,
    "done_pages": 0,
    "done_bytes": 0,
    "ended_at": None,
    "failure_code": None,
    "failure_answer": None,
    "object_key": None,
    "size_bytes": None,
    "sha256": None,
    "pages": None,
    "omitted": None,
}


class BundleRepository:
    """The tables of bundles."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, number: str, bundle_id: str) -> Bundle | None:
        """Return a bundle of a process. None if there is no such bundle.

        Raises:
            ProcessErased: The process was erased, or is being erased.
        """
        async with self._database.reading() as connection:
            row = await _read(connection, bundle_id)
            if row is None or row.process_number != number:
                await refuse_erased(connection, number)
                return None
            return await _to_guarded(connection, row)

    async def request(self, selection: BundleSelection, client: str) -> tuple[Bundle, bool]:
        """Write a bundle that is to be built, unless the catalog has it. One that has failed is to be built again.

        Returns:
            The bundle, and whether it had failed.

        Raises:
            ProcessErased: The process was erased, or is being erased. Nothing was changed.
        """
        now = datetime.now(UTC)
        async with self._database.writing() as connection:
            await claim_process(connection, selection.process_number)
            inserted = await connection.execute(
                insert_into(connection, bundles).on_conflict_do_nothing(index_elements=["id"]),
                {
                    "id": selection.id,
                    "process_number": selection.process_number,
                    "state": BundleState.BUILDING,
                    "format": selection.options.format,
                    "options": selection.options.canonical(),
                    "withheld": sum(entry.document_id is None for entry in selection.entries),
                    "total_documents": selection.inside,
                    "total_bytes": selection.size_bytes,
                    "client": client,
                    "created_at": now,
                    "requested_at": now,
                },
            )
            had_failed = False
            if inserted.rowcount:
                await connection.execute(insert(bundle_documents), _document_rows(selection))
            else:
                is_this = bundles.c.id == selection.id
                await connection.execute(update(bundles).where(is_this).values(requested_at=now))
                reopened = update(bundles).where(is_this, bundles.c.state == BundleState.FAILED).values(_UNBUILT)
                had_failed = (await connection.execute(reopened)).rowcount > 0
                if had_failed:
                    await reset_told(connection, selection.id)
            row = await _read(connection, selection.id)
            assert row is not None  # noqa: S101 - written above.
            return await _to_guarded(connection, row), had_failed

    async def renew(self, bundle_id: str) -> None:
        """Let the retention of a bundle count from now. Writes once a day at most."""
        now = datetime.now(UTC)
        is_due = and_(bundles.c.id == bundle_id, bundles.c.requested_at < now - _RENEWED_AFTER)
        async with self._database.reading() as connection:
            if await connection.scalar(select(bundles.c.id).where(is_due)) is None:
                return
        async with self._database.writing() as connection:
            await connection.execute(update(bundles).where(is_due).values(requested_at=now))

    async def subscribe(self, bundle_id: str, number: str, client: str, url: str | None) -> DeliveryRef | None:
        """Have a client told when a bundle is ready, or has failed. Idempotent.

        Args:
            bundle_id: The bundle.
            number: Its process.
            client: The client.
            url: Its webhook URL. None: the event is in its list of events alone.

        Returns:
            The delivery, for the caller to start, if the build has ended meanwhile. None otherwise.

        Raises:
            ProcessErased: The process was erased, or is being erased.
        """
        async with self._database.writing() as connection:
            await lock_process(connection, number)
            await refuse_erased(connection, number)
            row = await _lock(connection, bundle_id)
            if row is None:
                return None
            await connection.execute(
                insert_into(connection, bundle_subscriptions).on_conflict_do_nothing(),
                {"bundle_id": bundle_id, "client": client, "url": url},
            )
            told = await tell_of_bundle(connection, row)
            created = select(deliveries.c.id, deliveries.c.number).where(deliveries.c.id.in_(told))
            delivery = (await connection.execute(created)).first()
            return DeliveryRef(delivery.id, delivery.number) if delivery else None

    async def list_document_ids(self, bundle_id: str) -> tuple[str, ...]:
        """Return the ids of the documents whose bytes are inside a bundle, for the access trail."""
        inside = select(bundle_documents.c.document_id).where(
            bundle_documents.c.bundle_id == bundle_id,
            bundle_documents.c.document_id.is_not(None),
            bundle_documents.c.sha256.is_not(None),
        )
        async with self._database.reading() as connection:
            return tuple((await connection.scalars(inside.order_by(bundle_documents.c.place))).all())

    async def record_progress(self, bundle_id: str, progress: BundleProgress) -> bool:
        """Record how far a build is. Returns False if the bundle is gone or no longer to be built."""
        async with self._database.writing() as connection:
            updated = await connection.execute(
                update(bundles)
                .where(bundles.c.id == bundle_id, bundles.c.state == BundleState.BUILDING)
                .values(done_documents=progress.documents, done_pages=progress.pages, done_bytes=progress.bytes)
            )
        return updated.rowcount > 0

    async def record_ready(
        self,
        bundle_id: str,
        number: str,
        stored: StoredObject,
        progress: BundleProgress,
        omitted: Sequence[Omission],
        *,
        pages: int | None,
    ) -> str | None:
        """Record that a bundle is built, and write the events that announce it. Idempotent.

        Of several attempts, which know nothing of each other, the first one is recorded.

        Args:
            bundle_id: The bundle.
            number: Its process.
            stored: The file in the store.
            progress: What was put in.
            omitted: What is not inside.
            pages: Pages of the PDF. None for a ZIP.

        Returns:
            The key of the bundle's file. If it is another one, another attempt was recorded. None if the bundle is
            not to be built: it has failed, or was deleted meanwhile. In both cases the caller has to delete its
            file.

        Raises:
            ProcessErased: The process was erased meanwhile. The caller has to delete the file.
        """
        async with self._database.writing() as connection:
            # Not claimed: a bundle's process is in the catalog, and must not come back by this.
            await lock_process(connection, number)
            await refuse_erased(connection, number)
            row = await _lock(connection, bundle_id)
            if row is None or row.state == BundleState.FAILED:
                return None
            if row.state == BundleState.READY:
                return str(row.object_key)
            updated = await connection.execute(
                update(bundles)
                .where(bundles.c.id == bundle_id)
                .values(
                    state=BundleState.READY,
                    done_documents=progress.documents,
                    done_pages=progress.pages,
                    done_bytes=progress.bytes,
                    ended_at=datetime.now(UTC),
                    object_key=stored.key,
                    size_bytes=stored.size_bytes,
                    sha256=stored.sha256,
                    pages=pages,
                    omitted=[write_omission(omission) for omission in omitted],
                )
                .returning(bundles)
            )
            await tell_of_bundle(connection, updated.one())
        return stored.key

    async def record_failure(
        self, bundle_id: str, number: str, failure: BundleFailure, *, requested_before: datetime | None = None
    ) -> bool:
        """Record that a bundle is not built, and write the events that announce it.

        Args:
            bundle_id: The bundle.
            number: Its process.
            failure: Why it is not built.
            requested_before: Only if nobody has requested it since then, as another build may begin.

        Returns:
            Whether it was recorded. False if the bundle is gone, has ended before, or was requested again.

        Raises:
            ProcessErased: The process was erased, or is being erased.
        """
        async with self._database.writing() as connection:
            await lock_process(connection, number)
            await refuse_erased(connection, number)
            row = await _lock(connection, bundle_id)
            if row is None or row.state != BundleState.BUILDING:
                return False
            if requested_before is not None and row.requested_at >= requested_before:
                return False
            failed = await connection.execute(
                update(bundles)
                .where(bundles.c.id == bundle_id)
                .values(
                    state=BundleState.FAILED,
                    ended_at=datetime.now(UTC),
                    failure_code=failure.code,
                    failure_answer=failure.answer,
                )
                .returning(bundles)
            )
            await tell_of_bundle(connection, failed.one())
        return True

    async def list_deliveries(self, bundle_id: str, *, after: int) -> tuple[DeliveryRef, ...]:
        """Return up to a hundred webhooks that announce a bundle, after the delivery with a number."""
        events = (
            select(deliveries.c.id, deliveries.c.number)
            .join(bundle_subscriptions, bundle_subscriptions.c.event_id == deliveries.c.id)
            .where(bundle_subscriptions.c.bundle_id == bundle_id, deliveries.c.number > after)
            .order_by(deliveries.c.number)
            .limit(_PAGE_SIZE)
        )
        async with self._database.reading() as connection:
            return tuple(DeliveryRef(row.id, row.number) for row in await connection.execute(events))

    async def list_ids(self, number: str) -> list[str]:
        """Return the ids of all bundles of a process."""
        async with self._database.reading() as connection:
            wanted = select(bundles.c.id).where(bundles.c.process_number == number)
            return list(await connection.scalars(wanted))

    async def delete(self, bundle_id: str) -> None:
        """Delete a bundle with its documents and subscriptions. Idempotent."""
        async with self._database.writing() as connection:
            await connection.execute(delete(bundles).where(bundles.c.id == bundle_id))


async def _read(connection: AsyncConnection, bundle_id: str) -> Row[Any] | None:
    return (await connection.execute(select(bundles).where(bundles.c.id == bundle_id))).one_or_none()


async def _lock(connection: AsyncConnection, bundle_id: str) -> Row[Any] | None:
    locked = select(bundles).where(bundles.c.id == bundle_id).with_for_update()
    return (await connection.execute(locked)).one_or_none()


async def _to_guarded(connection: AsyncConnection, row: Row[Any]) -> Bundle:
    return to_bundle(row, await read_guard(connection, row.process_number, row.id))


def _document_rows(selection: BundleSelection) -> list[dict[str, Any]]:
    return [
        {
            "bundle_id": selection.id,
            "place": place,
            "document_id": entry.document_id,
            "position": entry.position,
            "version": entry.version,
            "sha256": entry.sha256,
            "omitted": entry.omitted,
        }
        for place, entry in enumerate(selection.entries)
    ]
