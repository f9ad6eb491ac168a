"""Small bodies that become large once they are unpacked."""

from __future__ import annotations

import gzip
import zlib

MIB = 1024**2


def bomb(unit: bytes, megabytes: int) -> bytes:
    """Return a gzip file that becomes so many megabytes of a unit."""
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = unit * (MIB // len(unit))
    packed = b"".join(packing.compress(block) for _ in range(megabytes))
    return packed + packing.flush()


# What a court sends in place of a listing, packed by gzip.
HOSTILE_LISTINGS = {
    "blanks": bomb(b" ", 250),
    "empty arrays": bomb(b"[],", 250),
    "deep arrays": gzip.compress(b"[" * 5_000_000),
    "arrays deep enough": gzip.compress(b"[" * 400_000),
    "distinct keys": gzip.compress(b"{" + b",".join(b'"%x":1' % place for place in range(2_000_000)) + b"}"),
    "many integers": gzip.compress(b"[" + b"1," * 2_000_000 + b"1]"),
    # Each of these is as large as a listing may be.
    "escapes": gzip.compress(b'["' + b"\\n" * (16 * MIB - 4) + b'"]', 1),
    "wide text": gzip.compress(b'["' + "😀".encode() + b"x" * (32 * MIB - 9) + b'"]', 1),
    "no UTF-8": gzip.compress(b'["' + b"\xff" * (32 * MIB - 5) + b'"]', 1),
    "long keys": gzip.compress(b"{" + b",".join(b'"%060x":0' % place for place in range(470_000)) + b"}", 1),
    "a long number": gzip.compress(b"[" + b"9" * (32 * MIB - 3) + b"]", 1),
    # Nothing that counts comes out of these.
    "behind the end": gzip.compress(b"[1]") + b"x" * (4 * MIB),
    "a name without an end": b"\x1f\x8b\x08\x08" + b"\0" * 6 + b"x" * (4 * MIB),
}
