"""Running one of our modules on untrusted bytes in a process of its own: limited, without network or secrets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_PROGRAM = "adapters.sandbox_program"
_READ_BYTES = 64 * 1024
_MAX_OUTPUT_BYTES = 16 * 1024**2
# A service manager sends them to all processes of a service.
_STOPPING = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGTERM})


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use.

    Attributes:
        memory_bytes: Address space.
        cpu_seconds: Time on a CPU.
        wall_seconds: Time from its start to its end.
        file_bytes: Size of each file that it writes.
    """

    memory_bytes: int
    cpu_seconds: int
    wall_seconds: float
    file_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        output: What it wrote to its standard output, to the end or until it was killed.
        succeeded: It ended by itself and well.
        reason: For a log, if it did not.
        interrupted: A signal that stops services ended it, which says nothing about its input.
    """

    output: bytes
    succeeded: bool
    reason: str = ""
    interrupted: bool = False


async def run_in_sandbox(
    module: str, *arguments: str, limits: Limits, folder: Path | None = None, stdin: int | None = None
) -> Ended:
    """Run the ``main`` of a module in a process of its own. Cancelling kills it, as does the end of this process.

    Args:
        module: Its name. ``main`` is called with the arguments.
        arguments: Arguments, such as paths.
        limits: What it may use.
        folder: Its working folder, home and place for temporary files. None means that it may write no files.
        stdin: Descriptor of its standard input. None means empty.
    """
    program = await asyncio.create_subprocess_exec(
        # -B: with its limits, or on a full disk, Python would leave cut-off bytecode for all programs to come.
        *(sys.executable, "-I", "-B", "-X", "utf8", "-m", _PROGRAM),
        *(str(os.getpid()), json.dumps(asdict(limits)), module, *arguments),
        stdin=asyncio.subprocess.DEVNULL if stdin is None else stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder or "/",
        # A terminal's Ctrl-C is for the service, which ends the program by itself. Python that is still starting
        # would end with 1, as if the input were to blame.
        start_new_session=True,
        # No secret of this process is inherited.
        env={} if folder is None else {"HOME": str(folder), "TMPDIR": str(folder), "XDG_CACHE_HOME": str(folder)},
    )
    output = bytearray()
    reason = ""
    try:
        async with asyncio.timeout(limits.wall_seconds):
            reason = await _read_output(program, output)
            if not reason and (status := await program.wait()):
                reason = f"exit status {status}"
    except TimeoutError:
        reason = f"still running after {limits.wall_seconds:.0f} seconds"
    finally:
        with suppress(ProcessLookupError):
            program.kill()
        await program.wait()
    return Ended(bytes(output), not reason, reason, interrupted=-(program.returncode or 0) in _STOPPING)


async def _read_output(program: asyncio.subprocess.Process, output: bytearray) -> str:
    """Read until the output ends. Returns what is wrong with it, if anything is."""
    if program.stdout is None:
        raise AssertionError("The output is a pipe.")
    while chunk := await program.stdout.read(_READ_BYTES):
        output += chunk
        if len(output) > _MAX_OUTPUT_BYTES:
            return "too much output"
    return ""
