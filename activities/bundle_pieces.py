"""The documents of a bundle on the scratch disk: fetched from the store, and converted where they are no PDF."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import structlog

from domain.bundle_contents import RECIPE_VERSION, OmissionReason, Piece, needs_conversion
from domain.bundle_selection import BundleFormat
from domain.bundles import BundleBuild, BundleMember, BundleProgress
from domain.documents import StoredObject
from domain.errors import BundleFailureCode, BundleRefused, ObjectDamaged, StorageFailure
from domain.storage import converted_key

if TYPE_CHECKING:
    from adapters.storage import ObjectStore
    from adapters.storage.bundle_store import BundleStore

# Converts a file of a media type to a PDF. Returns why there is none, or None.
Convert: TypeAlias = Callable[[Path, str, Path, Path], Awaitable[OmissionReason | None]]

_PDF = "application/pdf"
_TEXT = "text/plain"
_CHUNK_BYTES = 256 * 1024

_log = structlog.get_logger()


class PieceSource:
    """Puts the documents of a bundle on the scratch disk.

    Args:
        documents: Has the documents, and erases what was converted and is damaged.
        derived: Has what was converted before.
        convert: Converts a document.
    """

    def __init__(self, documents: ObjectStore, derived: BundleStore, convert: Convert) -> None:
        self._documents = documents
        self._derived = derived
        self._convert = convert

    async def fetch_all(
        self, build: BundleBuild, folder: Path, report: Callable[[BundleProgress], Awaitable[None]]
    ) -> Sequence[Piece]:
        """Put all documents of a bundle into a folder, and return its pieces in their order.

        Args:
            build: The bundle.
            folder: Where the files go.
            report: Is called with the progress after each document. What was converted before counts at once.

        Raises:
            BundleRefused: The store has lost or changed a document.
            StorageFailure: The store refused or lost a request.
        """
        pieces: list[Piece] = []
        # The court may list the same bytes twice.
        known: dict[tuple[str, str], tuple[Path | None, OmissionReason | None]] = {}
        progress = BundleProgress.of(build.to_convert)
        counted = {member.place for member in build.to_convert}
        for member in build.members:
            stored = member.stored
            if stored is None or member.omitted is not None:
                pieces.append(member.piece(None, member.omitted))
                continue
            content = stored.sha256, stored.media_type
            if content not in known:
                known[content] = await self._fetch(build, stored, folder / f"{member.place}")
            pieces.append(member.piece(*known[content]))
            if member.place not in counted:
                progress = progress.and_one(member)
            await report(progress)
        return pieces

    async def convert_one(self, build: BundleBuild, member: BundleMember, folder: Path) -> None:
        """Convert a document and keep the result in the store, unless it is there.

        Raises:
            BundleRefused: The store has lost or changed the document.
            StorageFailure: The store refused or lost a request.
        """
        if member.stored is not None:
            await self._fetch(build, member.stored, folder / f"{member.place}")

    async def _fetch(
        self, build: BundleBuild, stored: StoredObject, path: Path
    ) -> tuple[Path | None, OmissionReason | None]:
        if build.bundle.format is BundleFormat.ZIP or not needs_conversion(stored.media_type):
            await self._read(stored, path)
            return path, None
        key = converted_key(build.bundle.process_number, stored.sha256, stored.media_type, RECIPE_VERSION)
        try:
            is_kept, reason = await self._read_kept(key, path)
        except ObjectDamaged as error:
            # It can be made again. Kept, it would end every build.
            _log.warning("damaged conversion deleted", key=key, detail=str(error))
            await self._documents.erase(key)
            is_kept, reason = False, None
        if not is_kept:
            reason = await self._convert_and_keep(stored, key, path)
        return (path, None) if reason is None else (None, reason)

    async def _read_kept(self, key: str, path: Path) -> tuple[bool, OmissionReason | None]:
        """Return whether the store has a conversion, which is in the file then, or why there is none."""
        with path.open("wb") as file:
            if await self._derived.read_to(key, file) is not None:
                return True, None
        reason = await self._read_reason(key)
        return reason is not None, reason

    async def _convert_and_keep(self, stored: StoredObject, key: str, path: Path) -> OmissionReason | None:
        source, scratch = path.with_suffix(".source"), path.with_suffix(".work")
        await self._read(stored, source)
        await asyncio.to_thread(scratch.mkdir)
        reason = await self._convert(source, stored.media_type, path, scratch)
        await asyncio.to_thread(source.unlink)
        if reason is not None:
            # So that it is not tried again by each attempt, and by each bundle.
            await self._derived.write(_reason_key(key), _once(reason.encode()), _TEXT)
        else:
            await self._derived.write(key, read_file(path), _PDF)
        return reason

    async def _read(self, stored: StoredObject, path: Path) -> None:
        try:
            with path.open("wb") as file:
                async with aclosing(self._documents.read(stored)) as chunks:
                    async for chunk in chunks:
                        file.write(chunk)
        except StorageFailure as failure:
            if not failure.permanent:
                raise
            raise BundleRefused(
                BundleFailureCode.SOURCE_DAMAGED,
                f"{failure} An operator can repair it: `autos audit --repair`.",
            ) from None

    async def _read_reason(self, key: str) -> OmissionReason | None:
        buffer = BytesIO()
        if await self._derived.read_to(_reason_key(key), buffer) is None:
            return None
        # A later version may know other reasons.
        with suppress(ValueError):
            return OmissionReason(buffer.getvalue().decode(errors="replace"))
        return None


def _reason_key(key: str) -> str:
    return f"{key}.txt"


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def read_file(path: Path) -> AsyncIterator[bytes]:
    """Yield the bytes of a local file."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
