"""The sandbox: a program inside knows no secret, reaches nothing, and takes no more than its limits."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

import psutil
import pytest

from adapters.sandbox import Ended, Limits, run_in_sandbox
from tests.support.conditions import eventually

ROOT = Path(__file__).parents[3]
PROGRAM = "tests.support.sandboxed_program"
LIMITS = Limits(memory_bytes=1024**3, cpu_seconds=20, wall_seconds=60, file_bytes=1024**2)


async def run(*arguments: str, folder: Path | None = None, limits: Limits = LIMITS) -> Ended:
    """Run the program of the tests."""
    return await run_in_sandbox(PROGRAM, *arguments, limits=limits, folder=folder)


async def test_environment_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOS_SECRET_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    told = json.loads((await run("tell", "a b", folder=tmp_path)).output)
    assert set(told["environment"]) <= {"HOME", "TMPDIR", "XDG_CACHE_HOME", "LC_CTYPE"}
    assert (told["folder"], told["arguments"]) == (str(tmp_path), ["a b"])
    # Cut off by a limit, it would be read by every later program.
    assert not told["writes_bytecode"]


async def test_nothing_is_reached_and_nothing_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        assert (await run("connect", str(server.getsockname()[1]))).output.strip() == b"PermissionError"
        with pytest.raises(BlockingIOError):
            server.accept()
    assert (await run("start")).output.strip() == b"PermissionError"


async def test_limits_end_a_program(tmp_path: Path) -> None:
    assert not (await run("fill memory")).succeeded
    assert not (await run("fill disk", folder=tmp_path)).succeeded
    assert (tmp_path / "file").stat().st_size <= LIMITS.file_bytes
    assert not (await run("burn", limits=Limits(1024**3, 1, 60))).succeeded
    assert (await run("talk")).reason == "too much output"


async def test_a_program_that_never_ends_is_killed_and_its_output_kept() -> None:
    ended = await run("sleep", limits=Limits(1024**3, 20, 15))
    assert (ended.output, ended.succeeded) == (b"asleep\n", False)
    assert "still running" in ended.reason


async def test_what_a_terminal_sends_does_not_reach_the_program() -> None:
    assert json.loads((await run("tell")).output)["session"] != os.getsid(0)


async def test_cancelling_kills_the_program() -> None:
    before = set(psutil.Process().children())
    running = asyncio.create_task(run("sleep"))

    async def list_started() -> set[psutil.Process]:
        return set(psutil.Process().children()) - before

    started = await eventually(list_started, "the program starts")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not any(child.is_running() for child in started)


async def test_the_program_ends_with_a_process_that_is_killed() -> None:
    starting = (
        "import asyncio; from adapters.sandbox import Limits, run_in_sandbox;"
        f"asyncio.run(run_in_sandbox({PROGRAM!r}, 'sleep', limits=Limits(1024**3, 20, 600)))"
    )
    starter = await asyncio.create_subprocess_exec(sys.executable, "-c", starting, cwd=ROOT)
    process = psutil.Process(starter.pid)

    async def sleeping() -> psutil.Process | None:
        return next((child for child in process.children() if child.status() == psutil.STATUS_SLEEPING), None)

    child = await eventually(sleeping, "the program in the sandbox")
    starter.kill()
    await starter.wait()

    async def ended() -> bool:
        try:
            return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            # It went between the two questions.
            return True

    await eventually(ended, "the end of the program in the sandbox")
