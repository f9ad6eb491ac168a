"""Commands of ``autos`` run against a stack."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import Process
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.paths import CLI
from tests.support.stack import RunningStack, clean_environment


@dataclass(frozen=True)
class CommandResult:
    """How a command ended, and what it printed."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json_lines(self) -> list[dict[str, Any]]:
        """The objects on standard output, one a line."""
        return [json.loads(line) for line in self.stdout.splitlines()]


async def run_autos(
    stack: RunningStack, *arguments: str | Path, stdin: str = "", **variables: str
) -> CommandResult:
    """Run a command of ``autos`` over a stack's data folder, to its end."""
    return await wait_for_command(await start_autos(stack, *arguments, **variables), stdin)


async def start_autos(stack: RunningStack, *arguments: str | Path, **variables: str) -> Process:
    """Start a command of ``autos`` over a stack's data folder."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(CLI), *map(str, arguments)),
        cwd=stack.data_dir.parent,
        env=clean_environment(AUTOS_DATA_DIR=str(stack.data_dir), **variables),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def wait_for_command(process: Process, stdin: str = "") -> CommandResult:
    """Wait for the end of a command."""
    stdout, stderr = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return CommandResult(process.returncode, stdout.decode(), stderr.decode())
