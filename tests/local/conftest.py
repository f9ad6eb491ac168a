"""What the tests of the local stack share."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the person who runs the tests has set out of them."""
    for name in list(os.environ):
        if name.startswith(("AUTOS_", "TEMPORAL_")) or name in {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}:
            monkeypatch.delenv(name)


def run_autos(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *arguments],
        cwd="/",  # Where no `.env` is.
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def until(condition: Callable[[], bool], what: str, seconds: float = 15.0) -> None:
    """Wait until something holds; a failure names it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process exists and is more than a remainder that nobody has waited for."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_naming(folder: Path) -> list[int]:
    """Running programs with this folder on their command line."""
    found = psutil.process_iter(["cmdline"])
    return [
        each.pid for each in found if str(folder) in " ".join(each.info["cmdline"] or []) and is_running(each.pid)
    ]
