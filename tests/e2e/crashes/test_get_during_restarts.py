"""`autos get` outlives restarts of the API and of the object store: every file is there at the end."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path

from tests.support.cli_commands import start_autos, wait_for_command
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack

DOCUMENTS = 200


def count_files(folder: Path, pattern: str) -> int:
    """Return how many files match a pattern, in all folders of a folder."""
    return len(list(folder.rglob(pattern)))


async def kill_api_until_told(stack: RunningStack, command: Process) -> str:
    """Kill the API, also after its restarts, until the command tells of it. Returns what it tells."""
    stderr = command.stderr
    assert stderr is not None

    async def read_outage() -> bytes:
        # A warning of the service may come before.
        while b"does not answer" not in (line := await stderr.readline()) and line:
            pass
        return line

    told = asyncio.ensure_future(read_outage())
    while not told.done():
        with suppress(ProcessLookupError):
            stack.kill_service("api")
        await asyncio.wait([told], timeout=0.2)
    return (await told).decode()


async def test_get_outlives_killed_services(crash_stack: RunningStack, tmp_path: Path) -> None:
    stack, number = crash_stack, fresh_number()
    await stack.create_process(number, DOCUMENTS, size_bytes=50_000)
    await stack.set_latency(0.5)
    command = await start_autos(stack, "get", number, "-o", tmp_path, "--json")

    async def wait_until_saved(count: int) -> None:
        async def saved() -> bool:
            return count_files(tmp_path, "*.pdf") >= count

        await eventually(saved, f"{count} files", seconds=60)

    await wait_until_saved(10)
    told = await kill_api_until_told(stack, command)
    await wait_until_saved(60)
    stack.kill_service("s3")
    result = await wait_for_command(command)
    await stack.set_latency(0)

    assert result.exit_code == 0, result.stderr
    [report] = result.json_lines
    assert (report["complete"], len(report["saved"]), report["failed"]) == (True, DOCUMENTS, [])
    assert told.startswith(f"The API at {stack.addresses['api']} does not answer (")
    assert f"The API at {stack.addresses['api']} answers again." in result.stderr
    assert count_files(tmp_path, "*.part") == 0

    async def ready() -> bool:
        return (await stack.api.get("/health/ready")).is_success

    # The command may have had every file when the store was killed. The tests after this one need the store.
    await eventually(ready, "the store answers again", seconds=60)
