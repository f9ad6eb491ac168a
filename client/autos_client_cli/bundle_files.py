"""Checking a bundle by itself: a ZIP by its sums and its manifest, a PDF by its seal. Only the standard library."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

_MANIFEST, _SUMS = "manifest.json", "SHA256SUMS"
_MAX_MANIFEST_BYTES = 64 * 1024**2
_CHUNK_BYTES = 1024**2
_TAIL_BYTES = 4096
_SUM_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_SEAL = re.compile(rb"^%autos-bundle-1 manifest=(\d{1,19})\+(\d{1,9}) sha256=([0-9a-f]{64})\n", re.MULTILINE)
_SCHEMA = 1


class NotABundle(Exception):
    """The file is no bundle, or so much of it is lost that nothing can be checked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a bundle.

    Attributes:
        code: ``changed``, ``missing``, ``extra`` or ``disagrees``.
        name: What it is about: a file inside, or the bundle's own name.
    """

    code: str
    name: str


@dataclass(slots=True)
class Report:
    """What was found of a bundle.

    Attributes:
        kind: ``zip`` or ``pdf``.
        manifest: What the bundle says of itself.
        findings: Empty if it is as it was built.
    """

    kind: str
    manifest: dict[str, Any]
    findings: list[Finding] = field(default_factory=list)

    @property
    def documents(self) -> int:
        """How many documents are inside."""
        return len(self.manifest["documents"])

    @property
    def omitted(self) -> list[dict[str, Any]]:
        """What is not inside, as the manifest says."""
        return list(self.manifest["omitted"])


def verify_bundle(path: Path) -> Report:
    """Check a bundle.

    Raises:
        NotABundle: It is none.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(5)
        if head == b"%PDF-":
            return _verify_pdf(file, path.name)
    if head.startswith(b"PK"):
        return _verify_zip(path)
    raise NotABundle


def _verify_pdf(file: IO[bytes], name: str) -> Report:
    size = file.seek(0, 2)
    start = max(size - _TAIL_BYTES, 0)
    file.seek(start)
    seals = [*_SEAL.finditer(file.read())]
    if not seals:
        raise NotABundle
    seal = seals[-1]
    offset, length = int(seal[1]), int(seal[2])
    if length > _MAX_MANIFEST_BYTES or offset + length > size:
        raise NotABundle
    file.seek(offset)
    report = Report("pdf", _read_manifest(file.read(length), "pdf"))
    # The digest is of everything but the line that states it.
    digest = hashlib.sha256()
    file.seek(0)
    _update(digest, file, start + seal.start())
    file.seek(start + seal.end())
    _update(digest, file, size)
    if digest.hexdigest().encode() != seal[3]:
        report.findings.append(Finding("changed", name))
    return report


def _update(digest: Any, file: IO[bytes], count: int) -> None:
    while count > 0 and (chunk := file.read(min(_CHUNK_BYTES, count))):
        digest.update(chunk)
        count -= len(chunk)


def _verify_zip(path: Path) -> Report:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if _MANIFEST not in names or _SUMS not in names:
                raise NotABundle
            # Members of a bundle are stored, side by side. More than the file has is a bomb.
            if sum(member.file_size for member in archive.infolist() if _is_stored(member)) > path.stat().st_size:
                raise NotABundle
            manifest = _read_manifest(_read_small(archive, _MANIFEST), "zip")
            report = Report("zip", manifest)
            report.findings += _compare(archive, names, manifest)
            return report
    except (zipfile.BadZipFile, EOFError, OverflowError, RuntimeError, ValueError, struct.error) as error:
        raise NotABundle from error


def _compare(archive: zipfile.ZipFile, names: list[str], manifest: dict[str, Any]) -> Iterator[Finding]:
    sums = _read_sums(_read_small(archive, _SUMS))
    stated = {document["file"]: document for document in manifest["documents"]}
    amounts = Counter(names)
    for name in _sorted({*sums, *stated, _MANIFEST}):
        if amounts[name] != 1:
            yield Finding("extra" if amounts[name] else "missing", name)
            continue
        digest, size = _digest_of(archive, name)
        if digest != sums.get(name):
            yield Finding("changed", name)
        elif name in stated and (digest, size) != (stated[name]["sha256"], stated[name]["size_bytes"]):
            yield Finding("disagrees", name)
        elif name not in stated and name != _MANIFEST:
            yield Finding("extra", name)
    for name in _sorted({*names} - {*sums, *stated, _MANIFEST, _SUMS}):
        yield Finding("extra", name)


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(names)


def _read_sums(content: bytes) -> dict[str, str]:
    lines = content.decode(errors="replace").splitlines()
    return {match[2]: match[1] for line in lines if (match := _SUM_LINE.fullmatch(line))}


def _digest_of(archive: zipfile.ZipFile, name: str) -> tuple[str, int]:
    """Return the SHA-256 and the size of a member. Both are of what can be read of it."""
    digest, size = hashlib.sha256(), 0
    if not _is_stored(archive.getinfo(name)):
        # As Autos builds none: it may be damaged, or expand without end.
        return "", size
    try:
        with archive.open(name) as member:
            while chunk := member.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError):
        # Its checksum is wrong, it is cut off, or its header is not what the directory says.
        return "", size
    return digest.hexdigest(), size


def _is_stored(member: zipfile.ZipInfo) -> bool:
    return member.compress_type == zipfile.ZIP_STORED and member.file_size == member.compress_size


def _read_small(archive: zipfile.ZipFile, name: str) -> bytes:
    member_info = archive.getinfo(name)
    if member_info.file_size > _MAX_MANIFEST_BYTES or not _is_stored(member_info):
        raise NotABundle
    with archive.open(name) as member:
        return member.read(_MAX_MANIFEST_BYTES)


def _read_manifest(content: bytes, kind: str) -> dict[str, Any]:
    """Return the manifest.

    Raises:
        NotABundle: It is not one of this kind, or of a later version than this program.
    """
    try:
        manifest = json.loads(content)
        is_ours = manifest["autos_bundle"] == _SCHEMA and manifest["format"] == kind
        complete = all(
            isinstance(document["sha256"], str)
            and isinstance(document["size_bytes"], int)
            and (kind == "pdf" or isinstance(document["file"], str))
            for document in manifest["documents"]
        ) and all(
            isinstance(omission, dict) and isinstance(omission["reason"], str) for omission in manifest["omitted"]
        )
    except (KeyError, TypeError, ValueError, RecursionError):
        raise NotABundle from None
    if not is_ours or not complete:
        raise NotABundle
    return dict(manifest)
