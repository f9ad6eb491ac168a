"""The ZIP format, as far as an archive needs it that is streamed without compression (PKWARE's APPNOTE).

The checksum of each entry is known before its bytes are written. So every entry has a complete header and no data
descriptor, which some programs cannot read behind stored bytes, and the archive's size is known in advance. The
standard library writes such headers only to files that it can seek in.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

_MAX_32, _MAX_16 = 2**32 - 1, 2**16 - 1
# Version 4.5 of the format has 64-bit sizes. The upper byte says that attributes are those of Unix.
_VERSION, _VERSION_64, _MADE_ON_UNIX = 20, 45, 3 << 8
_NAMES_ARE_UTF_8 = 0x800
_STORED = 0
_READABLE_FILE = 0o100644 << 16
_EXTRA_64 = 1
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """A file in an archive.

    Attributes:
        name: Its name, in any script.
        modified_at: Its time, written without a time zone.
    """

    name: str
    size_bytes: int
    modified_at: datetime


def local_header(entry: ZipEntry, crc32: int) -> bytes:
    """Return what precedes the bytes of an entry."""
    name = entry.name.encode()
    is_large = entry.size_bytes >= _MAX_32
    extra = struct.pack("<2H2Q", _EXTRA_64, 16, entry.size_bytes, entry.size_bytes) if is_large else b""
    size = min(entry.size_bytes, _MAX_32)
    return (
        _LOCAL.pack(
            *(b"PK\x03\x04", _VERSION_64 if is_large else _VERSION, _NAMES_ARE_UTF_8, _STORED),
            *(*_dos_time(entry.modified_at), crc32, size, size, len(name), len(extra)),
        )
        + name
        + extra
    )


def directory(entries: Sequence[ZipEntry], checksums: Iterable[int]) -> bytes:
    """Return the end of an archive: the list of its entries, in the order in which they were written."""
    headers, offset = [], 0
    for entry, crc32 in zip(entries, checksums, strict=True):
        headers.append(_central_header(entry, crc32, offset))
        offset += len(local_header(entry, crc32)) + entry.size_bytes
    listed = b"".join(headers)
    return listed + _end_records(len(entries), len(listed), offset)


def archive_size(entries: Sequence[ZipEntry]) -> int:
    """Return the size of an archive with these entries."""
    contents = sum(len(local_header(entry, 0)) + entry.size_bytes for entry in entries)
    return contents + len(directory(entries, [0] * len(entries)))


def _central_header(entry: ZipEntry, crc32: int, offset: int) -> bytes:
    name = entry.name.encode()
    large = [entry.size_bytes] * 2 if entry.size_bytes >= _MAX_32 else []
    large += [offset] if offset >= _MAX_32 else []
    extra = struct.pack(f"<2H{len(large)}Q", _EXTRA_64, 8 * len(large), *large) if large else b""
    version = _VERSION_64 if large else _VERSION
    size = min(entry.size_bytes, _MAX_32)
    return (
        _CENTRAL.pack(
            *(b"PK\x01\x02", _MADE_ON_UNIX | version, version, _NAMES_ARE_UTF_8, _STORED),
            *(*_dos_time(entry.modified_at), crc32, size, size, len(name), len(extra)),
            *(0, 0, 0, _READABLE_FILE, min(offset, _MAX_32)),
        )
        + name
        + extra
    )


def _end_records(count: int, listed_bytes: int, offset: int) -> bytes:
    records = b""
    if count >= _MAX_16 or listed_bytes >= _MAX_32 or offset >= _MAX_32:
        records = _END_64.pack(
            *(b"PK\x06\x06", _END_64.size - 12, _MADE_ON_UNIX | _VERSION_64, _VERSION_64, 0, 0),
            *(count, count, listed_bytes, offset),
        ) + _LOCATOR_64.pack(b"PK\x06\x07", 0, offset + listed_bytes, 1)
    count = min(count, _MAX_16)
    return records + _END.pack(
        b"PK\x05\x06", 0, 0, count, count, min(listed_bytes, _MAX_32), min(offset, _MAX_32), 0
    )


def _dos_time(moment: datetime) -> tuple[int, int]:
    # The format's years are 1980 to 2107, its seconds are even.
    year = min(max(moment.year, 1980), 2107)
    return (
        moment.hour << 11 | moment.minute << 5 | moment.second // 2,
        (year - 1980) << 9 | moment.month << 5 | moment.day,
    )
