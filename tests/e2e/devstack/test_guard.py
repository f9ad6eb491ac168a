"""The guard stops the services when the stack was killed, and only then."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.devstack.conftest import is_running
from tests.support.conditions import eventually_sync
from tests.support.paths import ROOT

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


@pytest.fixture
def guard() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(ROOT / "devstack" / "guard.py"), "0.5"],
        stdin=subprocess.PIPE,
        process_group=0,
    ) as guard:
        yield guard
        guard.kill()


@pytest.fixture
def start_service(
    guard: subprocess.Popen[bytes], tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Return a function that starts a program in the guard's group and waits until it runs."""
    with ExitStack() as services:

        def start(script: str = "") -> subprocess.Popen[bytes]:
            mark = tmp_path / f"{time.monotonic_ns()}"
            script += f"import pathlib, time; pathlib.Path({str(mark)!r}).touch(); time.sleep(60)"
            service = subprocess.Popen([sys.executable, "-c", script], process_group=guard.pid)
            services.enter_context(service)
            services.callback(service.kill)
            eventually_sync(mark.exists, "the service runs")
            return service

        yield start


def close_pipe(guard: subprocess.Popen[bytes], goodbye: bytes = b"") -> None:
    assert guard.stdin is not None
    guard.stdin.write(goodbye)
    guard.stdin.close()


def test_the_end_of_the_pipe_stops_every_service(
    guard: subprocess.Popen[bytes], start_service: Callable[..., subprocess.Popen[bytes]]
) -> None:
    polite, stubborn = start_service(), start_service(STUBBORN)

    close_pipe(guard)

    assert polite.wait(30) == -signal.SIGTERM
    assert stubborn.wait(30) == -signal.SIGKILL
    assert guard.wait(30) == 0


def test_a_dismissed_guard_stops_nothing(
    guard: subprocess.Popen[bytes], start_service: Callable[..., subprocess.Popen[bytes]]
) -> None:
    service = start_service()

    close_pipe(guard, b".")

    assert guard.wait(30) == 0
    assert is_running(service.pid)
