"""Archives: all stored documents of a process as one ZIP, streamed from the store."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from domain.accesses import Access, AccessKind, Recipient
from domain.clients import Client, Scope
from domain.documents import Document, StoredObject
from domain.errors import StorageFailure
from domain.process_number import ProcessNumber
from domain.secrecy import is_withheld
from domain.zip_format import ZipEntry, directory, local_header

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.storage import ObjectStore
    from adapters.storage.link_issuer import RecordAccess

# Each holds a connection to the store and a few megabytes for as long as its client reads.
MAX_ARCHIVES_PER_CLIENT = 2
MAX_ARCHIVES = 16
# A larger document is read twice: for its checksums, then for its bytes.
_MAX_HELD_BYTES = 4 * 1024**2
_DOCUMENTS_PER_READ = 500
_RETRY_AFTER_SECONDS = "30"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ArchivedDocument:
    """A document that the archive contains, or names as missing.

    Attributes:
        number: Its place among the documents of its process, from 1.
    """

    number: int
    document: Document


@dataclass(frozen=True, slots=True)
class ArchiveContents:
    """What an archive of a process contains for one client, and what it does not.

    Attributes:
        total: How many documents the process has.
        stored: The documents that are inside.
        missing: Those that are not stored.
        withheld: How many documents the client may not read.
    """

    total: int
    stored: tuple[ArchivedDocument, ...]
    missing: tuple[ArchivedDocument, ...]
    withheld: int


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file of an archive: a stored object, or bytes of our own.

    Attributes:
        document_id: The document whose object it is. None for bytes of our own.
    """

    entry: ZipEntry
    content: StoredObject | bytes
    document_id: str | None = None


@dataclass(slots=True)
class ArchiveService:
    """Reads the documents of a process, and streams them as a ZIP archive.

    Attributes:
        catalog: Knows the documents.
        store: Has their bytes.
        record: Records an access in the trail.
        open_archives: How many archives each client is reading, by the client's name.
    """

    catalog: Catalog
    store: ObjectStore
    record: RecordAccess
    open_archives: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def reserve(self, client: Client) -> Iterator[None]:
        """Reserve one of the client's archives for the duration of the block.

        Raises:
            Problem: 429, the client reads too many archives, or all clients together do.
        """
        if self.open_archives[client.name] >= MAX_ARCHIVES_PER_CLIENT:
            raise _too_many(
                f"You may download {MAX_ARCHIVES_PER_CLIENT} archives at a time. Wait until one of yours has ended."
            )
        if self.open_archives.total() >= MAX_ARCHIVES:
            raise _too_many(
                f"This API serves {MAX_ARCHIVES} archives at a time, to all clients together, and as many are open."
                " Try again later."
            )
        self.open_archives[client.name] += 1
        try:
            yield
        finally:
            self.open_archives[client.name] -= 1
            if not self.open_archives[client.name]:
                del self.open_archives[client.name]

    async def read_contents(self, number: ProcessNumber, scopes: Collection[Scope]) -> ArchiveContents:
        """Return what the archive of a process contains for a client with these scopes.

        Raises:
            ProcessErased: The process was erased, or is being erased.
            DependencyUnavailable: The database does not answer.
        """
        await self.catalog.processes.get(number.canonical)
        stored: list[ArchivedDocument] = []
        missing: list[ArchivedDocument] = []
        total = withheld = position = 0
        while True:
            page = await self.catalog.documents.page(number.canonical, after=position, limit=_DOCUMENTS_PER_READ)
            for document in page:
                total += 1
                if is_withheld(document, scopes):
                    withheld += 1
                else:
                    (stored if document.stored else missing).append(ArchivedDocument(total, document))
            if len(page) < _DOCUMENTS_PER_READ:
                return ArchiveContents(total, tuple(stored), tuple(missing), withheld)
            position = page[-1].position

    async def stream(
        self, number: ProcessNumber, files: Sequence[ArchiveFile], recipient: Recipient
    ) -> AsyncGenerator[bytes]:
        """Record the access to all documents of an archive, then yield its bytes.

        No byte of a document is sent before the store has returned all of it with the length and the SHA-256 that
        were verified when it was stored. If the store has lost or changed one, the archive breaks off there: it has
        no directory, and no program takes it for a whole one.

        Args:
            number: The process.
            files: The files, in their order.
            recipient: Who gets them.

        Raises:
            StorageFailure: The store refused a request, or has other bytes than were stored.
            DependencyUnavailable: The access could not be recorded. Not a byte was sent.
        """
        ids = tuple(file.document_id for file in files if file.document_id is not None)
        await self.record(Access(recipient, number.canonical, AccessKind.ARCHIVE, ids))
        checksums = []
        try:
            for file in files:
                crc32, chunks = await self._prepare(file.content)
                checksums.append(crc32)
                yield local_header(file.entry, crc32)
                async with aclosing(chunks):
                    async for chunk in chunks:
                        yield chunk
        except StorageFailure as failure:
            _log.error("archive broken off", process=number.canonical, reason=str(failure))
            raise
        yield directory([file.entry for file in files], checksums)

    async def _prepare(self, content: StoredObject | bytes) -> tuple[int, AsyncGenerator[bytes]]:
        """Verify the bytes of a file. Return their CRC-32, and the bytes: held in memory, or to be read again."""
        if isinstance(content, bytes):
            return zlib.crc32(content), _each([content])
        held: list[bytes] = []
        crc32 = 0
        async with aclosing(self.store.read(content)) as chunks:
            async for chunk in chunks:
                crc32 = zlib.crc32(chunk, crc32)
                if content.size_bytes <= _MAX_HELD_BYTES:
                    held.append(chunk)
        return crc32, _each(held) if content.size_bytes <= _MAX_HELD_BYTES else self._read_again(content, crc32)

    async def _read_again(self, content: StoredObject, expected_crc32: int) -> AsyncGenerator[bytes]:
        crc32 = 0
        async with aclosing(self.store.read(content)) as chunks:
            async for chunk in chunks:
                crc32 = zlib.crc32(chunk, crc32)
                yield chunk
        if crc32 != expected_crc32:
            raise StorageFailure(f"The store returned {content.key} with other bytes than a moment before.")


def _too_many(detail: str) -> Problem:
    return Problem(ProblemCode.RATE_LIMITED, detail, headers={"Retry-After": _RETRY_AFTER_SECONDS})


async def _each(chunks: Sequence[bytes]) -> AsyncGenerator[bytes]:
    for chunk in chunks:
        yield chunk
