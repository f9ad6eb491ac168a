"""One ZIP of all pieces with a manifest and SHA256SUMS, streamed from the scratch disk."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

from adapters.bundles.manifest import MANIFEST_NAME, Inside, write_manifest
from adapters.bundles.texts import omission_of
from domain.brasilia import in_brasilia
from domain.bundle_contents import BuiltZip, CoverFacts, Piece
from domain.errors import BundleNotBuilt
from domain.filenames import number_width, numbered_filename
from domain.zip_format import ZipEntry, archive_size, directory, local_header

SUMS_NAME = "SHA256SUMS"
_CHUNK_BYTES = 1024**2
_UNDATED = datetime(1980, 1, 1, tzinfo=UTC)
_UNNAMED = "documento"


class ZipBundle:
    """A ZIP of pieces, in their order: the same pieces are the same bytes.

    Attributes:
        built: Its size, and what is missing from it.
    """

    def __init__(self, facts: CoverFacts, pieces: Sequence[Piece]) -> None:
        digits = number_width(max((piece.position for piece in pieces), default=0))
        names = {piece: _member_name(piece, digits) for piece in pieces if piece.path is not None}
        omissions = tuple(omission_of(piece, piece.omitted) for piece in pieces if piece.omitted is not None)
        inside = [Inside(piece, {"file": name}) for piece, name in names.items()]
        manifest = write_manifest("zip", facts, inside, omissions)
        digests = [(piece.sha256, name) for piece, name in names.items()]
        sums = "".join(
            f"{digest}  {name}\n"
            for digest, name in (*digests, (hashlib.sha256(manifest).hexdigest(), MANIFEST_NAME))
        ).encode()
        self._members: list[tuple[ZipEntry, Piece | bytes]] = [
            *((_document_entry(piece, name), piece) for piece, name in names.items()),
            *(
                (ZipEntry(name, len(own), _UNDATED), own)
                for name, own in ((MANIFEST_NAME, manifest), (SUMS_NAME, sums))
            ),
        ]
        self.built = BuiltZip(archive_size([entry for entry, _ in self._members]), omissions)

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the archive. Each file is read and verified before its first byte is yielded.

        Raises:
            BundleNotBuilt: A file on the scratch disk is not what its piece states.
        """
        return self._stream()

    async def _stream(self) -> AsyncGenerator[bytes]:
        checksums: list[int] = []
        for entry, content in self._members:
            if isinstance(content, bytes):
                checksums.append(zlib.crc32(content))
                yield local_header(entry, checksums[-1]) + content
                continue
            checksums.append(await asyncio.to_thread(_verify, content))
            yield local_header(entry, checksums[-1])
            async with aclosing(_read(content)) as chunks:
                async for chunk in chunks:
                    yield chunk
        yield directory([entry for entry, _ in self._members], checksums)


def _member_name(piece: Piece, digits: int) -> str:
    """Return ``NNN - date - name.ext``, without a date if there is none."""
    name = piece.title or _UNNAMED
    if piece.filed_at:
        name = f"{in_brasilia(piece.filed_at):%Y-%m-%d} - {name}"
    return numbered_filename(piece.position, name, None, piece.media_type or "", digits=digits)


def _document_entry(piece: Piece, name: str) -> ZipEntry:
    moment = in_brasilia(piece.filed_at) if piece.filed_at else _UNDATED
    return ZipEntry(name, piece.size_bytes or 0, moment)


def _verify(piece: Piece) -> int:
    """Return the CRC-32 of a piece's file.

    Raises:
        BundleNotBuilt: The file has another size or SHA-256.
    """
    digest, crc32, size_bytes = hashlib.sha256(), 0, 0
    for chunk in _chunks(_path(piece)):
        digest.update(chunk)
        crc32 = zlib.crc32(chunk, crc32)
        size_bytes += len(chunk)
    if (size_bytes, digest.hexdigest()) != (piece.size_bytes, piece.sha256):
        raise _changed(piece)
    return crc32


async def _read(piece: Piece) -> AsyncGenerator[bytes]:
    size_bytes = 0
    chunks = _chunks(_path(piece))
    while chunk := await asyncio.to_thread(next, chunks, b""):
        size_bytes += len(chunk)
        yield chunk
    if size_bytes != piece.size_bytes:
        raise _changed(piece)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _path(piece: Piece) -> Path:
    if piece.path is None:
        raise AssertionError("It has a path, or it would not be a member.")
    return piece.path


def _changed(piece: Piece) -> BundleNotBuilt:
    return BundleNotBuilt(
        f"Document {piece.document_id} on the scratch disk is not the one that was stored. Build the bundle again."
    )
