"""Files on this machine: their names, verification while they are written, and the manifest."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO

from autos_client.models import Document
from autos_client.reports import SavedFile
from autos_client.wording import counted

MANIFEST = "autos.json"

# Characters with a special meaning in file systems or shells.
_RESERVED = frozenset('/\\:*?"<>|')
_MAX_NAME_BYTES = 180
_MIN_DIGITS = 3
# A process with a million documents does not exist.
_MAX_DIGITS = 6
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}")
# Without this machine's own tables, so that a document has the same name everywhere.
_TYPES = mimetypes.MimeTypes(filenames=())
for _type, _ending in (
    # Types that courts use, and that not every version of Python knows.
    ("application/rtf", ".rtf"),
    ("application/pkcs7-signature", ".p7s"),
    ("application/vnd.oasis.opendocument.text", ".odt"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx"),
    ("audio/ogg", ".ogg"),
):
    _TYPES.add_type(_type, _ending)
_BLOCK_BYTES = 1024 * 1024


class Damaged(Exception):
    """The bytes have another size or SHA-256 than the service states."""


class Stopped(Exception):
    """The download was ended early."""


def digits_for(documents: int) -> int:
    """Return how many digits the position has in the file names, so that the names sort by position."""
    return max(_MIN_DIGITS, len(str(documents)))


def rename_former_file(folder: Path, position: int, document: Document, digits: int) -> None:
    """Rename a file that was saved when the positions of the process had another number of digits.

    Raises:
        OSError: The folder cannot be read or written to.
    """
    path = folder / file_name(position, document, digits)
    if path.exists():
        return
    for former_digits in range(_MIN_DIGITS, _MAX_DIGITS + 1):
        former_path = folder / file_name(position, document, former_digits)
        if former_path != path and state_of(former_path, document) is FileState.SAME:
            former_path.rename(path)
            return


def file_name(position: int, document: Document, digits: int = _MIN_DIGITS) -> str:
    """Return a document's file name: ``NNN - name.ext``, the same at each download, safe on every system.

    Args:
        position: Its place among the process's documents, from 1. It makes the name unique.
        document: The document, whose own name may be anything.
        digits: The width of the position, padded with zeros.
    """
    composed = unicodedata.normalize("NFC", document.name or document.type or "")
    kept = "".join(
        "_" if character in _RESERVED else " " if character.isspace() else character
        for character in composed
        # Category C: controls, direction marks, surrogates, unassigned.
        if character.isspace() or not unicodedata.category(character).startswith("C")
    )
    name = " ".join(kept.split()).strip(". ")
    media_type = (document.media_type or "").partition(";")[0].strip().lower()
    stem, ending = _split(name, media_type)
    stem = stem.encode()[:_MAX_NAME_BYTES].decode(errors="ignore").rstrip(". ")
    return f"{position:0{digits}d} - {stem or 'document'}{ending}"


def _split(name: str, media_type: str) -> tuple[str, str]:
    """Return a name's stem, and its own extension if it fits the media type; otherwise the type's extension."""
    stem, suffix = Path(name).stem, Path(name).suffix
    own_extension = suffix if _SUFFIX.fullmatch(suffix) else ""
    default_extension = _TYPES.guess_extension(media_type)
    fits = default_extension is None or _TYPES.guess_type(f"x{own_extension.lower()}")[0] == media_type
    if own_extension and fits:
        return stem, own_extension
    return name, default_extension or ".bin"


class VerifiedFile:
    """A file that gets its name only when all its bytes are there and are verified.

    Args:
        path: Its final path.
        document: States the size and the SHA-256.
        on_bytes: Called with the number of bytes of each write. May raise to stop.
    """

    def __init__(self, path: Path, document: Document, on_bytes: Callable[[int], None]) -> None:
        """Prepare the file. ``open`` creates it."""
        self._path = path
        # A random name, so that two downloads into one folder do not write into the same file.
        self._part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        self._document = document
        self._on_bytes = on_bytes
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @contextmanager
    def open(self) -> Iterator[VerifiedFile]:
        """Write a temporary file during the block. It is deleted, unless ``commit`` has given it its name.

        Raises:
            OSError: The folder cannot be written to.
        """
        try:
            with self._part.open("xb") as self._file:
                yield self
        finally:
            self._part.unlink(missing_ok=True)

    def commit(self) -> None:
        """Verify the bytes, bring them to the disk, and give the file its name.

        Raises:
            Damaged: The bytes are not those that the document states.
            OSError: The folder cannot be written to.
        """
        self._verify()
        _sync(self._file)
        # Windows renames no open file.
        self._file.close()
        self._part.replace(self._path)

    def write(self, piece: bytes) -> None:
        """Write the next bytes.

        Raises:
            Damaged: The file is longer than the document states.
        """
        self._file.write(piece)
        self._digest.update(piece)
        self.size_bytes += len(piece)
        self._on_bytes(len(piece))
        if self.size_bytes > (self._document.size_bytes or 0):
            raise Damaged(f"It is longer than stated: {counted(self._document.size_bytes or 0, 'byte')}.")

    def _verify(self) -> None:
        if self.size_bytes != self._document.size_bytes:
            raise Damaged(f"It has {counted(self.size_bytes, 'byte')} instead of {self._document.size_bytes}.")
        if self._digest.hexdigest() != self._document.sha256:
            raise Damaged("Its SHA-256 is not the one that was stated.")


class FileState(StrEnum):
    """What there is under a document's file name."""

    MISSING = "missing"
    SAME = "same"
    # Without content: what a power cut may leave of a file that was written, but not yet on the disk.
    BLANK = "blank"
    OTHER = "other"


def state_of(path: Path, document: Document) -> FileState:
    """Compare a file with the size and SHA-256 of a document.

    Raises:
        OSError: It cannot be read.
    """
    if path.exists() and not path.is_file():
        return FileState.OTHER
    # Opened at once: between two looks, another download into the folder may put it there.
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return FileState.MISSING
    with file:
        digest, size_bytes, is_blank = hashlib.sha256(), 0, True
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            size_bytes += len(block)
            is_blank = is_blank and not block.strip(b"\0")
            if not is_blank and size_bytes > (document.size_bytes or 0):
                return FileState.OTHER
    if size_bytes == document.size_bytes and digest.hexdigest() == document.sha256:
        return FileState.SAME
    return FileState.BLANK if is_blank else FileState.OTHER


def write_manifest(folder: Path, process_number: str, files: list[SavedFile]) -> None:
    """Write the manifest, which says which file is which document. The write is atomic.

    Raises:
        OSError: The folder cannot be written to.
    """
    content = {
        "process_number": process_number,
        "documents": [
            {"id": file.id, "file": file.path.name, "sha256": file.sha256, "size_bytes": file.size_bytes}
            for file in sorted(files, key=lambda file: file.path.name)
        ],
    }
    part = folder / f"{MANIFEST}.{secrets.token_hex(4)}.part"
    try:
        with part.open("xb") as file:
            file.write((json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode())
            _sync(file)
        part.replace(folder / MANIFEST)
    finally:
        part.unlink(missing_ok=True)


def _sync(file: IO[bytes]) -> None:
    """Bring a file's bytes to the disk, so that no power cut leaves its name without them.

    Raises:
        OSError: The disk did not take them.
    """
    file.flush()
    os.fsync(file.fileno())
