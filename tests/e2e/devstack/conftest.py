"""Helpers for the tests of the local stack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.paths import CLI


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the settings of the person who runs the tests."""
    for name in list(os.environ):
        if name.startswith(("AUTOS_", "TEMPORAL_")) or name in {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}:
            monkeypatch.delenv(name)


def run_autos(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ``autos`` to its end."""
    return subprocess.run(
        [sys.executable, str(CLI), *arguments],
        cwd="/",  # Where no `.env` is.
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def is_running(pid: int) -> bool:
    """Return whether an operating-system process exists and is not a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def list_pids_naming(folder: Path) -> list[int]:
    """Return the PIDs of running programs that have this folder on their command line."""
    programs = psutil.process_iter(["cmdline"])
    return [
        each.pid
        for each in programs
        if str(folder) in " ".join(each.info["cmdline"] or []) and is_running(each.pid)
    ]
