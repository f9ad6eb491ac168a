"""Memory of the C library that this service runs on."""

from __future__ import annotations

import ctypes
from contextlib import suppress

# From glibc's malloc.h.
_M_MMAP_THRESHOLD = -3


def return_large_buffers() -> None:
    """Have the C library return every buffer above a mebibyte to the system as soon as it is freed.

    By default glibc keeps freed buffers of up to 32 MiB. After a few listings of the largest permitted size, a
    worker would hold twice the memory that one of them needs. Other C libraries have no such setting.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1024**2)
