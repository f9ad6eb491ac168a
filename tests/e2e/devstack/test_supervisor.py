"""A supervised service: start, health check, restart with backoff, stop."""

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

from devstack.supervisor import Service, ServiceFailed, SupervisedService
from tests.e2e.devstack.conftest import is_running

# Not one sleep: Python handles a signal that comes just before a system call only after it.
MARK_AND_WAIT = (
    "import os, pathlib, time; pathlib.Path(os.environ['MARK']).open('a').write('x')\n"
    "for _ in range(1200): time.sleep(0.05)"
)
# The first one waits for a permission to end, so that it lives when it is found ready.
MARK_AND_END = (
    "import os, pathlib, time; pathlib.Path(os.environ['MARK']).open('a').write('x')\n"
    "while not pathlib.Path(os.environ['MARK']).with_name('may end').exists(): time.sleep(0.05)"
)


def make_service(script: str, folder: Path, *, stop_seconds: float = 30.0) -> Service:
    """Describe a service that runs a script, and is ready once the script has written its mark."""
    mark = folder / "mark"

    async def ready(_: float) -> bool:
        # The file is there a moment before what is written to it.
        return mark.exists() and mark.stat().st_size > 0

    return Service(
        "sample",
        (sys.executable, "-c", script),
        env={**os.environ, "MARK": str(mark)},
        ready=ready,
        log=folder / "sample.log",
        stop_seconds=stop_seconds,
    )


@asynccontextmanager
async def stop_afterwards(supervised: SupervisedService) -> AsyncIterator[SupervisedService]:
    try:
        yield supervised
    finally:
        supervised.kill()
        await supervised.stop()


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a file or a log, which signal nothing.
            await asyncio.sleep(0.02)


async def test_a_service_that_dies_is_logged_and_restarted(tmp_path: Path) -> None:
    async with stop_afterwards(SupervisedService(make_service(MARK_AND_WAIT, tmp_path), 0)) as supervised:
        with structlog.testing.capture_logs() as logs:
            await supervised.start()
            first = supervised.pid
            os.kill(first, signal.SIGKILL)
            # The new one may have written its mark before the supervisor has said that it runs.
            await wait_until(lambda: (tmp_path / "mark").read_text() == "xx" and len(logs) >= 2)

        assert supervised.pid != first
        assert [(entry["event"], entry["service"], entry["pid"]) for entry in logs] == [
            ("sample was killed by SIGKILL; restarting", "sample", first),
            ("sample is running again", "sample", supervised.pid),
        ]
        assert logs[0]["log"] == str(tmp_path / "sample.log")


async def test_a_service_that_keeps_dying_is_restarted_with_backoff(tmp_path: Path) -> None:
    async with stop_afterwards(SupervisedService(make_service(MARK_AND_END, tmp_path), 0)) as supervised:
        with structlog.testing.capture_logs() as logs:
            await supervised.start()
            (tmp_path / "may end").touch()
            await wait_until(lambda: len(logs) >= 5)

        assert [entry["event"] for entry in logs if "restarting" in entry["event"]] == [
            "sample ended with exit code 0; restarting",
            "sample ended with exit code 0; restarting in 0.5 s",
            "sample ended with exit code 0; restarting in 1 s",
        ]


async def test_a_service_that_does_not_start_fails_with_its_last_output(tmp_path: Path) -> None:
    script = "import sys; print('starting'); sys.exit('the disk is full')"
    async with stop_afterwards(SupervisedService(make_service(script, tmp_path), 0)) as supervised:
        with pytest.raises(ServiceFailed, match=r"sample ended with exit code 1 before .* the disk is full$"):
            await supervised.start()


async def test_a_service_whose_program_is_missing_is_one_clear_error(tmp_path: Path) -> None:
    service = make_service("", tmp_path)
    missing = Service(service.name, (str(tmp_path / "none"),), service.env, service.ready, service.log)

    with pytest.raises(ServiceFailed, match=r"sample cannot be started: .*No such file"):
        await SupervisedService(missing, 0).start()


async def test_stopping_sends_sigterm_first_and_does_not_restart(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('asked', flush=True), sys.exit(0)))\n" + MARK_AND_WAIT
    )
    supervised = SupervisedService(make_service(script, tmp_path), 0)
    await supervised.start()

    with structlog.testing.capture_logs() as logs:
        await supervised.stop()

    assert (tmp_path / "sample.log").read_text() == "asked\n"
    assert not is_running(supervised.pid)
    assert logs == []


async def test_a_service_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + MARK_AND_WAIT
    supervised = SupervisedService(make_service(script, tmp_path, stop_seconds=0.1), 0)
    await supervised.start()

    with structlog.testing.capture_logs() as logs:
        await supervised.stop()

    assert not is_running(supervised.pid)
    assert [entry["event"] for entry in logs] == ["sample did not stop in 0 s; killed"]


async def test_a_service_runs_in_the_process_group_that_it_is_given(tmp_path: Path) -> None:
    async with stop_afterwards(SupervisedService(make_service(MARK_AND_WAIT, tmp_path), 0)) as supervised:
        await supervised.start()

        assert os.getpgid(supervised.pid) == supervised.pid != os.getpgrp()
