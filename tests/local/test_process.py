from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from local.process import Part, PartFailed, PartProcess
from tests.local.conftest import is_running

MARK_AND_WAIT = "import os, pathlib, time; pathlib.Path(os.environ['MARK']).open('a').write('x'); time.sleep(60)"


def part_running(script: str, folder: Path, *, stop_seconds: float = 5.0) -> Part:
    mark = folder / "mark"

    async def ready(_: float) -> bool:
        return mark.exists()

    return Part(
        "sample",
        (sys.executable, "-c", script),
        env={**os.environ, "MARK": str(mark)},
        ready=ready,
        log=folder / "sample.log",
        stop_seconds=stop_seconds,
    )


@asynccontextmanager
async def stopped_after(process: PartProcess) -> AsyncIterator[PartProcess]:
    try:
        yield process
    finally:
        process.kill()
        await process.stop()


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a file or a log, which say nothing by themselves.
            await asyncio.sleep(0.02)


async def test_a_part_that_dies_is_said_and_started_again(tmp_path: Path) -> None:
    async with stopped_after(PartProcess(part_running(MARK_AND_WAIT, tmp_path), 0)) as process:
        with structlog.testing.capture_logs() as logs:
            await process.start()
            first = process.pid
            os.kill(first, signal.SIGKILL)
            await eventually(lambda: (tmp_path / "mark").read_text() == "xx")

        assert process.pid != first
        assert [(entry["event"], entry["pid"]) for entry in logs] == [
            ("sample was killed by SIGKILL; starting it again", first),
            ("sample is running again", process.pid),
        ]
        assert logs[0]["log"] == str(tmp_path / "sample.log")


async def test_a_part_that_keeps_dying_is_started_ever_more_slowly(tmp_path: Path) -> None:
    script = MARK_AND_WAIT.replace("time.sleep(60)", "time.sleep(0.2)")
    async with stopped_after(PartProcess(part_running(script, tmp_path), 0)) as process:
        with structlog.testing.capture_logs() as logs:
            await process.start()
            await eventually(lambda: len(logs) >= 5)

        assert [entry["event"] for entry in logs if "starting" in entry["event"]] == [
            "sample ended with exit code 0; starting it again",
            "sample ended with exit code 0; starting it again in 0.5 s",
            "sample ended with exit code 0; starting it again in 1 s",
        ]


async def test_a_part_that_does_not_start_fails_with_its_last_words(tmp_path: Path) -> None:
    script = "import sys; print('starting'); sys.exit('the disk is full')"
    async with stopped_after(PartProcess(part_running(script, tmp_path), 0)) as process:
        with pytest.raises(PartFailed, match=r"sample ended with exit code 1 before .* the disk is full$"):
            await process.start()


async def test_a_part_that_cannot_be_run_at_all_is_one_clear_error(tmp_path: Path) -> None:
    part = part_running("", tmp_path)
    missing = Part(part.name, (str(tmp_path / "none"),), part.env, part.ready, part.log)

    with pytest.raises(PartFailed, match=r"sample cannot be started: .*No such file"):
        await PartProcess(missing, 0).start()


async def test_stopping_asks_first_and_does_not_start_again(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('asked', flush=True), sys.exit(0)))\n" + MARK_AND_WAIT
    )
    process = PartProcess(part_running(script, tmp_path), 0)
    await process.start()

    with structlog.testing.capture_logs() as logs:
        await process.stop()

    assert (tmp_path / "sample.log").read_text() == "asked\n"
    assert not is_running(process.pid)
    assert logs == []


async def test_a_part_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + MARK_AND_WAIT
    process = PartProcess(part_running(script, tmp_path, stop_seconds=0.1), 0)
    await process.start()

    with structlog.testing.capture_logs() as logs:
        await process.stop()

    assert not is_running(process.pid)
    assert [entry["event"] for entry in logs] == ["sample did not stop in 0 s; killed"]


async def test_a_part_is_its_own_process_in_the_group_it_is_given(tmp_path: Path) -> None:
    async with stopped_after(PartProcess(part_running(MARK_AND_WAIT, tmp_path), 0)) as process:
        await process.start()

        assert os.getpgid(process.pid) == process.pid != os.getpgrp()
