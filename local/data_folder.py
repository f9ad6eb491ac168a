"""The folder that the local stack keeps everything in: one stack at a time, private, outliving each stack."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from domain.errors import ConfigurationError
from settings import LOCAL_STACK_FILE

_LOCK_FILE = "lock"
# A stack that was killed leaves its parts to the guard, which holds the lock until the last of them has ended.
_GUARD_SECONDS = 15.0


def log_file(folder: Path, part: str) -> Path:
    """Where a part that does not log to the terminal writes."""
    return folder / "logs" / f"{part}.log"


async def claim(folder: Path) -> int:
    """Make the folder where it is missing, and take it for this process.

    Returns:
        A file descriptor: the folder is taken as long as it, or a child's copy of it, is open.

    Raises:
        ConfigurationError: the folder cannot be written, or another stack has it.
    """
    lock = _open_lock(folder)
    try:
        await _lock(lock, folder)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _open_lock(folder: Path) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "logs").mkdir(mode=0o700, exist_ok=True)
        return os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"The data folder {folder} cannot be written ({error.strerror}): name another with --data-dir."
        ) from None


async def _lock(lock: int, folder: Path) -> None:
    deadline = time.monotonic() + _GUARD_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 20, 0).decode()
            if _is_alive(owner) or time.monotonic() > deadline:
                raise ConfigurationError(
                    f"The data folder {folder} is in use by another local stack (process {owner or 'unknown'}): "
                    "stop it, or name another folder with --data-dir."
                ) from None
            await asyncio.sleep(0.1)
        else:
            return


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def recall(folder: Path) -> dict[str, object]:
    """Read what the last stack of this folder left for its successors and for parts that run alone.

    Raises:
        ConfigurationError: it cannot be read.
    """
    path = folder / LOCAL_STACK_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict):
        raise ConfigurationError(
            f"{path} cannot be read: remove it, and the next `autos up` makes it again with new secrets."
        )
    return values


def remember(folder: Path, values: Mapping[str, object]) -> None:
    """Write that file whole or not at all, readable by its owner alone."""
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=LOCAL_STACK_FILE)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=2)
        Path(temporary).replace(folder / LOCAL_STACK_FILE)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
