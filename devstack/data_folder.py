"""The data folder of the local stack: private, used by one stack at a time, and kept between runs."""

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
from settings_fields import LOCAL_STACK_FILE

_LOCK_FILE = "lock"
# After a stack was killed, its guard still stops the services and holds the lock until the last one has ended.
_GUARD_SECONDS = 15.0


def log_file(folder: Path, service: str) -> Path:
    """Return the log file of a service that does not log to the terminal."""
    return folder / "logs" / f"{service}.log"


async def lock_data_folder(folder: Path) -> int:
    """Create the folder if it is missing, and lock it for this stack.

    Returns:
        A file descriptor. The lock is held while it, or a child's copy of it, is open.

    Raises:
        ConfigurationError: the folder cannot be written, or another stack holds the lock.
    """
    lock = _open_lock_file(folder)
    try:
        await _acquire(lock, folder)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _open_lock_file(folder: Path) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "logs").mkdir(mode=0o700, exist_ok=True)
        return os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"The data folder {folder} cannot be written ({error.strerror}): choose another one with --data-dir."
        ) from None


async def _acquire(lock: int, folder: Path) -> None:
    deadline = time.monotonic() + _GUARD_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 20, 0).decode()
            if _is_alive(owner) or time.monotonic() > deadline:
                raise ConfigurationError(
                    f"The data folder {folder} is in use by another local stack (PID {owner or 'unknown'}): "
                    "stop it, or choose another folder with --data-dir."
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


def read_local_values(folder: Path) -> dict[str, object]:
    """Read what the last stack saved in this folder. Empty if there was none.

    Raises:
        ConfigurationError: the file cannot be read.
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
            f"{path} cannot be read: remove it, and the next `autos up` creates it again with new secrets."
        )
    return values


def write_local_values(folder: Path, values: Mapping[str, object]) -> None:
    """Save values for later stacks and for services that run alone. Atomic; readable by the owner only."""
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=LOCAL_STACK_FILE)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=2)
        Path(temporary).replace(folder / LOCAL_STACK_FILE)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
