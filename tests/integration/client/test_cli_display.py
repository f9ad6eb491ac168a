"""The live display of `get`, and what Ctrl-C does to it."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from autos_client import Progress
from autos_client.models import Status
from autos_client_cli.display import Display, LiveDisplay, Totals
from autos_client_cli.get_many import GetOptions, ManyDownloads
from autos_client_cli.interruptions import run_interruptibly
from tests.integration.client.scripted import status_body

CLIENT = Path(__file__).parents[3] / "client"
# Works until it is cancelled; after that it blocks for as many seconds as its argument says.
INTERRUPTIBLE = """
import asyncio, sys, time
from autos_client_cli.interruptions import Interrupted, run_interruptibly

async def work():
    print("begun", flush=True)
    try:
        # Not one sleep, here and below: Python handles a signal that comes just before a system call only after it.
        for _ in range(1200):
            await asyncio.sleep(0.05)
    finally:
        print("cancelled", flush=True)
        for _ in range(20 * int(sys.argv[1])):
            time.sleep(0.05)

try:
    run_interruptibly(work())
except Interrupted:
    sys.exit(7)
"""

# An event loop as on Windows, which cannot handle signals.
WITHOUT_LOOP_SIGNALS = """
import asyncio

def refuse(*_):
    raise NotImplementedError

for name in ("add_signal_handler", "remove_signal_handler"):
    setattr(asyncio.SelectorEventLoop, name, refuse)
"""


def progress_of(files: int, total: int, status: str = "processing") -> Progress:
    """Return the progress of a process, each of whose files has a megabyte."""
    return Progress(Status.model_validate(status_body(status, files, total)), files, files * 1_000_000)


def show(width: int, processes: int, progress: dict[str, Progress]) -> list[str]:
    """Return the lines of the display of a terminal with so many columns."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    display = LiveDisplay(processes, console)
    for number, each in progress.items():
        display.totals.update(number, each)
    with console.capture() as captured:
        console.print(display._render())
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [50, 80, 120])
def test_each_process_has_one_line_of_the_terminals_width(width: int) -> None:
    numbers = [f"{index:07}-77.2025.8.11.0041" for index in range(3)]
    lines = show(width, 5, {number: progress_of(5, 31) for number in numbers})

    assert [line.split()[0] for line in lines[:3]] == numbers
    assert all("downloading" in line and "5/31" in line and "5.0 MB" in line for line in lines[:3])
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines[3:]).split())
    assert text.startswith("0 of 5 processes · 15 documents (0.0/s) · 15.0 MB (0 B/s)")


def test_at_most_ten_processes_are_shown() -> None:
    lines = show(120, 30, {f"{index:07}-77.2025.8.11.0041": progress_of(1, 2) for index in range(13)})

    assert len(lines) == 11
    assert "3 more under way" in lines[-1]


def test_rate_and_time_left_are_those_of_the_last_seconds() -> None:
    totals = Totals(2)
    totals.update("a", progress_of(0, 100))
    assert totals.rates(1000.0) == (0, 0)
    assert totals.seconds_left(10) is None
    totals.update("b", progress_of(50, 100))
    totals.finish("b")
    assert totals.rates(1005.0) == (10, 10_000_000)
    assert totals.seconds_left(10) == 15
    for second in range(1006, 1060):
        rates = totals.rates(float(second))
    assert rates == (0, 0)


def test_printed_lines_stay_above_the_display() -> None:
    written = io.StringIO()
    display = LiveDisplay(1, Console(file=written, width=80, force_terminal=True))
    display.totals.update("1", progress_of(1, 2))
    with display.shown():
        deadline = time.monotonic() + 60
        while "downloading" not in written.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with display.interrupted():
            written.write("a printed line\n")
        after = len(written.getvalue())
        while "downloading" not in written.getvalue()[after:]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        first_frame = written.getvalue()[after:].partition("downloading")[0]

    # No movement upwards, which would erase the line.
    assert "\x1b[1A" not in first_frame


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("loop", ["", WITHOUT_LOOP_SIGNALS], ids=["unix", "windows"])
def test_first_signal_cancels_the_work_and_the_second_ends_at_once(loop: str, number: signal.Signals) -> None:
    for blocked, signals, code in ((0, 1, 7), (60, 2, 130)):
        with subprocess.Popen(
            [sys.executable, "-c", loop + INTERRUPTIBLE, str(blocked)],
            env={"PYTHONPATH": str(CLIENT)},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            for word in ["begun", "cancelled"][:signals]:
                assert process.stdout.readline() == f"{word}\n"
                process.send_signal(number)
            assert process.wait(20) == code


def test_signal_that_the_shell_has_the_program_ignore_is_ignored() -> None:
    with subprocess.Popen(
        ["nohup", sys.executable, "-c", INTERRUPTIBLE, "0"],
        env={"PYTHONPATH": str(CLIENT), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "cancelled\n"
        # The second signal would end it with 130.
        assert process.wait(20) == 7


def test_signals_mean_what_they_did_before_when_the_work_has_ended() -> None:
    async def work() -> int:
        assert signal.getsignal(signal.SIGTERM) is not before[signal.SIGTERM]
        return 3

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    assert run_interruptibly(work()) == 3
    assert {number: signal.getsignal(number) for number in before} == before


def test_warning_of_the_service_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    options = GetOptions(Path(), jobs=1, wait=True, overwrite=False, as_json=False, quiet=False)
    downloads = ManyDownloads("autos", ["1", "2"], options, Display(2))
    warnings = [{"code": "no_worker", "detail": f"No worker is at work for {queue}."} for queue in ("a", "b")]
    waiting = Progress(Status.model_validate({**status_body("processing", 0, 2), "warnings": warnings}))
    for number in ("1", "2", "1"):
        downloads._note_progress(number, waiting)

    assert capsys.readouterr().err.splitlines() == [
        f"1: No worker is at work for {queue}. (no_worker)" for queue in ("a", "b")
    ]
