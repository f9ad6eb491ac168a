"""Files on this machine: their names, bytes that are verified while they are written, and the manifest."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autos_client.models import Document
from autos_client.reports import SavedFile

MANIFEST = "autos.json"

# Characters that a file system or a shell gives a meaning of its own.
_RESERVED = frozenset('/\\:*?"<>|')
_MAX_NAME_BYTES = 180
_FEWEST_DIGITS = 3
# Nobody lists more documents than that.
_MOST_DIGITS = 6
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}")
# Without the tables of this machine: a document has the same name everywhere.
_TYPES = mimetypes.MimeTypes(filenames=())
for _type, _ending in (
    # What courts keep, and not every version of Python knows.
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
    """The bytes are not those that were stated."""


class Stopped(Exception):
    """The download was ended early."""


def digits_of(documents: int) -> int:
    """Return how many digits the numbers of so many files have, so that their names sort as they are numbered."""
    return max(_FEWEST_DIGITS, len(str(documents)))


def adopt_former_name(folder: Path, position: int, document: Document, digits: int) -> None:
    """Give a file its present name, if it was saved when the process had more or fewer digits.

    Raises:
        OSError: The folder cannot be read or written to.
    """
    path = folder / file_name(position, document, digits)
    if path.exists():
        return
    for former in range(_FEWEST_DIGITS, _MOST_DIGITS + 1):
        saved = folder / file_name(position, document, former)
        if saved != path and is_the_document(saved, document):
            saved.rename(path)
            return


def file_name(position: int, document: Document, digits: int = _FEWEST_DIGITS) -> str:
    """A document's file name: ``NNN - name.ext``, the same at each download, harmless on every system.

    Args:
        position: its place among the process's documents, from 1, which makes the name the only one.
        document: the document, whose own name may be anything.
        digits: with how many its place is written; zeros stand before it.
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
    """A name without its extension, and the extension for its media type: its own, if it means that type."""
    stem, suffix = Path(name).stem, Path(name).suffix
    own = suffix if _SUFFIX.fullmatch(suffix) else ""
    usual = _TYPES.guess_extension(media_type)
    if own and (usual is None or _TYPES.guess_type(f"x{own.lower()}")[0] == media_type):
        return stem, own
    return name, usual or ".bin"


class VerifiedFile:
    """A file that gets its name only when all its bytes have come and are the right ones.

    Args:
        path: its name in the end.
        document: states size and SHA-256.
        tell: called with the number of bytes that have come; may raise to stop.
    """

    def __init__(self, path: Path, document: Document, tell: Callable[[int], None]) -> None:
        """Name it; ``open`` begins."""
        self._path = path
        self._document = document
        self._tell = tell
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @contextmanager
    def open(self) -> Iterator[VerifiedFile]:
        """Take bytes for as long as the block lasts. What is left unfinished is removed.

        Raises:
            OSError: the folder does not take it.
        """
        # Named apart, so that two downloads into one folder do not write into each other's.
        part = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}.part")
        try:
            with part.open("xb") as self._file:
                yield self
            self._verify()
            part.replace(self._path)
        finally:
            part.unlink(missing_ok=True)

    def write(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            Damaged: these are more than there should be.
        """
        self._file.write(piece)
        self._digest.update(piece)
        self.size_bytes += len(piece)
        self._tell(len(piece))
        if self.size_bytes > (self._document.size_bytes or 0):
            raise Damaged(f"It is longer than the {self._document.size_bytes} bytes that were stated.")

    def _verify(self) -> None:
        if self.size_bytes != self._document.size_bytes:
            raise Damaged(f"{self.size_bytes} bytes came, {self._document.size_bytes} were stated.")
        if self._digest.hexdigest() != self._document.sha256:
            raise Damaged("Its SHA-256 is not the one that was stated.")


def is_the_document(path: Path, document: Document) -> bool:
    """Whether a file is there and is the document.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_file() or path.stat().st_size != document.size_bytes:
        return False
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest() == document.sha256


def write_manifest(folder: Path, process_number: str, files: list[SavedFile]) -> None:
    """Write which file is which document, in one step.

    Raises:
        OSError: the folder does not take it.
    """
    content = {
        "process_number": process_number,
        "documents": [
            {"id": each.id, "file": each.path.name, "sha256": each.sha256, "size_bytes": each.size_bytes}
            for each in sorted(files, key=lambda each: each.path.name)
        ],
    }
    part = folder / f"{MANIFEST}.{secrets.token_hex(4)}.part"
    try:
        part.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        part.replace(folder / MANIFEST)
    finally:
        part.unlink(missing_ok=True)
