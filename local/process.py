"""One part of the stack as a process of its own: started, watched, started again, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

from domain.errors import AutosError

START_SECONDS = 60.0
_PROBE_SECONDS = 0.05
# A part that lived this long before it died is started again at once.
_STABLE_SECONDS = 30.0
_LONGEST_DELAY_SECONDS = 5.0


class PartFailed(AutosError):
    """A part of the local stack did not start, or the stack cannot go on without it."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a part is.

    Attributes:
        env: its whole environment.
        ready: tells whether it does its job; gets the time of its start in seconds since the epoch.
        log: the file that it writes to; without one it shares our standard error.
        stop_seconds: how long it may take to stop when it is asked to.
        leaves: what it leaves lying around outside the data folder, for us to remove.
    """

    name: str
    command: tuple[str, ...]
    env: dict[str, str]
    ready: Callable[[float], Awaitable[bool]]
    log: Path | None = None
    stop_seconds: float = 5.0
    leaves: Callable[[], list[Path]] = list


class PartProcess:
    """Keeps a part running. Every start of it has the same command, environment and ports."""

    def __init__(self, part: Part, group: int) -> None:
        """Prepare a part.

        Args:
            part: what to run.
            group: the process group to run it in, which has to exist.
        """
        self.part = part
        self._group = group
        self._log = structlog.get_logger()
        self._process: Process | None = None
        self._started_at = 0.0
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The part's own process number, which changes when it is started again."""
        if self._process is None:
            raise RuntimeError(f"{self.part.name} has not been started.")
        return self._process.pid

    async def start(self) -> None:
        """Start the part, wait until it does its job, and keep it running from then on.

        Raises:
            PartFailed: it ended, or took too long.
        """
        if self.part.log is not None:
            self.part.log.write_bytes(b"")
        process = await self._spawn()
        ended = asyncio.create_task(process.wait())
        ready = asyncio.create_task(self._until_ready())
        try:
            await asyncio.wait({ended, ready}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise PartFailed(f"{self._how_it_ended(ended.result())} before it was ready{self._last_words()}")
            if not ready.done():
                raise PartFailed(f"{self.part.name} was not ready in {START_SECONDS:.0f} s{self._last_words()}")
            ready.result()
        finally:
            ended.cancel()
            ready.cancel()
        self._keeper = asyncio.create_task(self._keep_running(process))

    async def stop(self) -> None:
        """Ask the part to stop, and kill it when it takes too long. Returns when it has ended."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        if self._process is not None:
            self._signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), self.part.stop_seconds)
            except TimeoutError:
                self._log.info(f"{self.part.name} did not stop in {self.part.stop_seconds:.0f} s; killed")
                self.kill()
                await self._process.wait()
        for path in self.part.leaves():
            path.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the part at once; somebody still has to wait in ``stop``."""
        self._signal(signal.SIGKILL)

    async def _spawn(self) -> Process:
        self._started_at = time.time()
        log: IO[bytes] | None = self.part.log.open("ab") if self.part.log is not None else None
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.part.command,
                env=self.part.env,
                stdin=DEVNULL,
                # Standard output is for our own data.
                stdout=log or sys.stderr.fileno(),
                stderr=log or sys.stderr.fileno(),
                process_group=self._group,
                umask=0o077,  # Documents may be under secrecy; they are nobody else's to read.
            )
        except OSError as error:
            raise PartFailed(f"{self.part.name} cannot be started: {error}") from None
        finally:
            if log is not None:
                log.close()
        return self._process

    async def _until_ready(self) -> None:
        while not await self.part.ready(self._started_at):  # noqa: ASYNC110 - only asking tells.
            await asyncio.sleep(_PROBE_SECONDS)

    async def _keep_running(self, process: Process) -> None:
        delay = 0.0
        while True:
            code = await process.wait()
            if time.time() - self._started_at > _STABLE_SECONDS:
                delay = 0.0
            self._log.error(
                f"{self._how_it_ended(code)}; starting it again" + (f" in {delay:g} s" if delay else ""),
                part=self.part.name,
                pid=process.pid,
                log=str(self.part.log or "standard error"),
            )
            await asyncio.sleep(delay)
            delay = min(max(2 * delay, 0.5), _LONGEST_DELAY_SECONDS)
            try:
                process = await self._spawn()
            except PartFailed as error:
                self._log.error(str(error), part=self.part.name)
                continue
            self._log.warning(f"{self.part.name} is running again", part=self.part.name, pid=process.pid)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def _how_it_ended(self, code: int) -> str:
        if code < 0:
            return f"{self.part.name} was killed by {signal.Signals(-code).name}"
        return f"{self.part.name} ended with exit code {code}"

    def _last_words(self) -> str:
        if self.part.log is None:
            return "; it says why above."
        lines = self.part.log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return f". Its log, {self.part.log}, ends with: {last[:300]}"
