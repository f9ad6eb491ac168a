"""The scratch disk: a folder for each attempt at a bundle, which is gone when the attempt ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from domain.errors import BundleFailureCode, BundleRefused

_PREFIX = "bundle-"
_LOCK = ".lock"
# A limit on the size of a file (RLIMIT_FSIZE) and a quota say the same as a full disk.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# With less than this, a program that fails has probably failed for lack of room.
_NEARLY_FULL_BYTES = 16 * 1024**2

_log = structlog.get_logger()


class ScratchDisk:
    """Folders for intermediate files of bundles, on a local disk.

    Each folder has a lock, which the kernel releases when its owner dies. So the next attempt on this machine
    removes what a killed one has left behind.

    Args:
        folder: Where the folders go. It is created when it is first used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def folder(self, needed_bytes: int) -> Iterator[Path]:
        """Open an empty folder for the duration of the block.

        Args:
            needed_bytes: How much is going to be written there.

        Raises:
            BundleRefused: The disk has not enough room, or filled up meanwhile.
        """
        with _reporting_full_disk():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._exclusively():
                self._remove_abandoned()
                free = shutil.disk_usage(self._folder).free
                if free < needed_bytes:
                    raise _full(f"{_mebibytes(needed_bytes)} MiB are needed, {_mebibytes(free)} MiB are free")
                folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._folder))
                lock = _lock(folder / _LOCK)
            try:
                yield folder
            finally:
                _remove(folder)
                os.close(lock)

    def is_nearly_full(self) -> bool:
        """Return whether a program that has failed may have failed for lack of room."""
        return shutil.disk_usage(self._folder).free < _NEARLY_FULL_BYTES

    @staticmethod
    def filled_up() -> BundleRefused:
        """Return the error for a disk that filled up while a bundle was built."""
        return _full("it filled up while the bundle was built")

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Create and remove folders in one service at a time."""
        lock = os.open(self._folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _remove_abandoned(self) -> None:
        for folder in self._folder.glob(f"{_PREFIX}*"):
            try:
                lock = _lock(folder / _LOCK)
            except BlockingIOError:
                # Its owner lives.
                continue
            except OSError:
                lock = None
            _log.warning("abandoned scratch folder removed", folder=folder.name)
            _remove(folder)
            if lock is not None:
                os.close(lock)


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            _log.error("scratch folder left behind", folder=folder.name, reason=os.strerror(error.errno or 0))


@contextmanager
def _reporting_full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ScratchDisk.filled_up() from None


def _full(reason: str) -> BundleRefused:
    return BundleRefused(
        BundleFailureCode.SCRATCH_FULL,
        f"The scratch disk of the worker has no room for the bundle: {reason}. An operator can enlarge it or set "
        "AUTOS_SCRATCH_DIR; with filters, the bundle is smaller.",
    )


def _mebibytes(size_bytes: int) -> int:
    return -(-size_bytes // 1024**2)
