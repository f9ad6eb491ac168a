"""Supervisor of one service: starts it, restarts it when it dies, and stops it."""

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
# A service that ran this long before it died is restarted at once.
_STABLE_SECONDS = 30.0
_MIN_BACKOFF_SECONDS = 0.5
_MAX_BACKOFF_SECONDS = 5.0


class ServiceFailed(AutosError):
    """A service of the local stack did not start, or the stack cannot run without it."""


@dataclass(frozen=True, slots=True)
class Service:
    """Description of one service.

    Attributes:
        env: its whole environment.
        ready: health check; receives the service's start time in seconds since the epoch.
        log: the file that it writes to. With ``None`` it shares our standard error.
        stop_seconds: how long it may take to stop before it is killed.
        leftovers: returns files that it leaves outside the data folder, which the supervisor removes.
    """

    name: str
    command: tuple[str, ...]
    env: dict[str, str]
    ready: Callable[[float], Awaitable[bool]]
    log: Path | None = None
    stop_seconds: float = 5.0
    leftovers: Callable[[], list[Path]] = list


class SupervisedService:
    """Keeps a service running. Every start uses the same command, environment and ports."""

    def __init__(self, service: Service, group: int) -> None:
        """Prepare a service. Nothing is started yet.

        Args:
            service: what to run.
            group: id of the existing process group to run it in.
        """
        self.service = service
        self._group = group
        self._log = structlog.get_logger()
        self._child: Process | None = None
        self._started_at = 0.0
        self._restarter: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The service's PID, which changes at each restart."""
        if self._child is None:
            raise RuntimeError(f"{self.service.name} has not been started.")
        return self._child.pid

    async def start(self) -> None:
        """Start the service, wait until it is ready, and keep it running from then on.

        Raises:
            ServiceFailed: it ended or took too long before it was ready.
        """
        if self.service.log is not None:
            self.service.log.write_bytes(b"")
        child = await self._spawn()
        ended = asyncio.create_task(child.wait())
        ready = asyncio.create_task(self._wait_until_ready())
        try:
            await asyncio.wait({ended, ready}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise ServiceFailed(
                    f"{self._describe_end(ended.result())} before it was ready{self._describe_last_output()}"
                )
            if not ready.done():
                raise ServiceFailed(
                    f"{self.service.name} was not ready in {START_SECONDS:.0f} s{self._describe_last_output()}"
                )
            ready.result()
        finally:
            ended.cancel()
            ready.cancel()
        self._restarter = asyncio.create_task(self._restart_forever(child))

    async def stop(self) -> None:
        """Stop the service, and kill it if that takes too long. Returns when it has ended."""
        if self._restarter is not None:
            self._restarter.cancel()
            await asyncio.wait({self._restarter})
        if self._child is not None:
            self._signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._child.wait(), self.service.stop_seconds)
            except TimeoutError:
                self._log.info(f"{self.service.name} did not stop in {self.service.stop_seconds:.0f} s; killed")
                self.kill()
                await self._child.wait()
        for path in self.service.leftovers():
            path.unlink(missing_ok=True)

    def kill(self) -> None:
        """Kill the service. ``stop`` must still be awaited afterwards."""
        self._signal(signal.SIGKILL)

    async def _spawn(self) -> Process:
        self._started_at = time.time()
        log: IO[bytes] | None = self.service.log.open("ab") if self.service.log is not None else None
        try:
            self._child = await asyncio.create_subprocess_exec(
                *self.service.command,
                env=self.service.env,
                stdin=DEVNULL,
                # Our standard output is reserved for the addresses.
                stdout=log or sys.stderr.fileno(),
                stderr=log or sys.stderr.fileno(),
                process_group=self._group,
                umask=0o077,  # Documents may be secret: no other user of this machine may read them.
            )
        except OSError as error:
            raise ServiceFailed(f"{self.service.name} cannot be started: {error}") from None
        finally:
            if log is not None:
                log.close()
        return self._child

    async def _wait_until_ready(self) -> None:
        while not await self.service.ready(self._started_at):  # noqa: ASYNC110 - no event signals it.
            await asyncio.sleep(_PROBE_SECONDS)

    async def _restart_forever(self, child: Process) -> None:
        backoff = 0.0
        while True:
            code = await child.wait()
            if time.time() - self._started_at > _STABLE_SECONDS:
                backoff = 0.0
            self._log.error(
                f"{self._describe_end(code)}; restarting" + (f" in {backoff:g} s" if backoff else ""),
                service=self.service.name,
                pid=child.pid,
                log=str(self.service.log or "standard error"),
            )
            await asyncio.sleep(backoff)
            backoff = min(max(2 * backoff, _MIN_BACKOFF_SECONDS), _MAX_BACKOFF_SECONDS)
            try:
                child = await self._spawn()
            except ServiceFailed as error:
                self._log.error(str(error), service=self.service.name)
                continue
            self._log.warning(f"{self.service.name} is running again", service=self.service.name, pid=child.pid)

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, number)

    def _describe_end(self, code: int) -> str:
        if code < 0:
            return f"{self.service.name} was killed by {signal.Signals(-code).name}"
        return f"{self.service.name} ended with exit code {code}"

    def _describe_last_output(self) -> str:
        if self.service.log is None:
            return "; see its output above."
        lines = self.service.log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return f". Its log, {self.service.log}, ends with: {last[:300]}"
