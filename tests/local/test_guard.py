from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.local.conftest import ROOT, is_running, until

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


@pytest.fixture
def guard() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(ROOT / "local" / "guard.py"), "0.5"],
        stdin=subprocess.PIPE,
        process_group=0,
    ) as guard:
        yield guard
        guard.kill()


@pytest.fixture
def start_part(guard: subprocess.Popen[bytes], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start programs in the guard's group; each runs when the call returns."""
    with ExitStack() as parts:

        def start(script: str = "") -> subprocess.Popen[bytes]:
            mark = tmp_path / f"{time.monotonic_ns()}"
            script += f"import pathlib, time; pathlib.Path({str(mark)!r}).touch(); time.sleep(60)"
            part = subprocess.Popen([sys.executable, "-c", script], process_group=guard.pid)
            parts.enter_context(part)
            parts.callback(part.kill)
            until(mark.exists, "the part runs")
            return part

        yield start


def close_pipe(guard: subprocess.Popen[bytes], last_word: bytes = b"") -> None:
    assert guard.stdin is not None
    guard.stdin.write(last_word)
    guard.stdin.close()


def test_the_end_of_the_pipe_ends_every_part(
    guard: subprocess.Popen[bytes], start_part: Callable[..., subprocess.Popen[bytes]]
) -> None:
    polite, stubborn = start_part(), start_part(STUBBORN)

    close_pipe(guard)

    assert polite.wait(5) == -signal.SIGTERM
    assert stubborn.wait(5) == -signal.SIGKILL
    assert guard.wait(5) == 0


def test_a_dismissed_guard_touches_nothing(
    guard: subprocess.Popen[bytes], start_part: Callable[..., subprocess.Popen[bytes]]
) -> None:
    part = start_part()

    close_pipe(guard, b".")

    assert guard.wait(5) == 0
    assert is_running(part.pid)
