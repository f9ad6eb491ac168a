"""Small bodies that become large once they are unpacked."""

from __future__ import annotations

import zlib

MIB = 1024**2


def bomb(unit: bytes, megabytes: int) -> bytes:
    """Return a gzip file that becomes so many megabytes of a unit."""
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = unit * (MIB // len(unit))
    packed = b"".join(packing.compress(block) for _ in range(megabytes))
    return packed + packing.flush()
