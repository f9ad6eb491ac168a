"""Listings that are small on the wire and large once they are decompressed or parsed."""

from __future__ import annotations

import gzip
import zlib

MIB = 1024**2


def gzip_bomb(unit: bytes, megabytes: int) -> bytes:
    """Return a gzip file that decompresses to so many megabytes of a repeated unit."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = unit * (MIB // len(unit))
    compressed = b"".join(compressor.compress(block) for _ in range(megabytes))
    return compressed + compressor.flush()


# What a court could send instead of a listing, compressed by gzip.
HOSTILE_LISTINGS = {
    "blanks": gzip_bomb(b" ", 250),
    "empty arrays": gzip_bomb(b"[],", 250),
    "deep arrays": gzip.compress(b"[" * 5_000_000),
    "arrays deep enough": gzip.compress(b"[" * 400_000),
    "distinct keys": gzip.compress(b"{" + b",".join(b'"%x":1' % place for place in range(2_000_000)) + b"}"),
    "many integers": gzip.compress(b"[" + b"1," * 2_000_000 + b"1]"),
    # Each of these has the largest size that is accepted for a listing.
    "escapes": gzip.compress(b'["' + b"\\n" * (16 * MIB - 4) + b'"]', 1),
    "wide text": gzip.compress(b'["' + "😀".encode() + b"x" * (32 * MIB - 9) + b'"]', 1),
    "no UTF-8": gzip.compress(b'["' + b"\xff" * (32 * MIB - 5) + b'"]', 1),
    "long keys": gzip.compress(b"{" + b",".join(b'"%060x":0' % place for place in range(470_000)) + b"}", 1),
    "a long number": gzip.compress(b"[" + b"9" * (32 * MIB - 3) + b"]", 1),
    # These decompress to almost nothing: the bytes follow the end of the gzip stream, or are a name in its header.
    "behind the end": gzip.compress(b"[1]") + b"x" * (4 * MIB),
    "a name without an end": b"\x1f\x8b\x08\x08" + b"\0" * 6 + b"x" * (4 * MIB),
}
