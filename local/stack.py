"""The local stack as one thing that is started and stopped."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Never, Self

import httpx

from adapters.database.urls import engine_arguments
from local.data_folder import claim, recall, remember
from local.environment import Environment, OperatorSettings, Secrets
from local.parts import Parts, describe_parts
from local.ports import Ports
from local.process import Part, PartFailed, PartProcess
from settings import Settings, load_settings

_GUARD = Path(__file__).with_name("guard.py")
_GRACE_SECONDS = 3.0
# A part that is asked to stop must not have to wait for us.
_NO_KEEPALIVE = httpx.Limits(max_keepalive_connections=0)
_TOKEN_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class _Ready:
    """What is known of a stack once it is ready."""

    environment: Environment
    settings: Settings
    guard: Process


class Stack:
    """Temporal, S3, the simulator, the API and the worker, each a process of its own, until the block is left.

    A part that dies is started again with the same command, environment and ports. Leaving the block stops the
    parts in the reverse order of their start; if this process dies without leaving it, a guard stops them.
    """

    def __init__(self, data_dir: Path | None = None, *, ephemeral_ports: bool = False) -> None:
        """Prepare a stack. Nothing is started yet.

        Args:
            data_dir: where its state lives, over this stack's end; by default where the settings say.
            ephemeral_ports: take free ports instead of those that the documentation names.
        """
        self._data_dir = data_dir
        self._ephemeral_ports = ephemeral_ports
        self._resources = AsyncExitStack()
        self._running: dict[str, PartProcess] = {}
        self._ready: _Ready | None = None

    async def __aenter__(self) -> Self:
        """Start everything, and return when all of it is ready.

        Raises:
            ConfigurationError: a port, a program, the data folder or a setting cannot be used.
            PartFailed: a part did not start.
        """
        try:
            await self._start()
        except BaseException:
            await self._resources.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        await self._resources.aclose()

    @property
    def settings(self) -> Settings:
        """What the API and the worker were started with."""
        return self._facts.settings

    def addresses(self) -> dict[str, object]:
        """Where everything is: what ``autos up --json`` prints, by its very keys."""
        environment, settings = self._facts.environment, self._facts.settings
        webhook_secret, api_key = settings.webhook_secret, settings.api_key
        return {
            "api": environment.api_url,
            "temporal": environment.temporal_address,
            "temporal_ui": environment.temporal_ui_url,
            "s3": str(settings.s3_endpoint_url).rstrip("/") if settings.s3_endpoint_url else environment.s3_url,
            "bucket": settings.s3_bucket,
            "simulator": environment.simulator_url,
            "api_key": api_key.get_secret_value() if api_key else None,
            "webhook_secret": webhook_secret.get_secret_value() if webhook_secret else None,
            "pids": {name: self._running[name].pid for name in ("api", "worker", "temporal", "s3", "simulator")},
        }

    async def wait(self) -> Never:
        """Return never: the stack runs until the block is left.

        Raises:
            PartFailed: the guard has died, without which the parts could survive this process.
        """
        await self._facts.guard.wait()
        raise PartFailed("The guard process of the local stack has died; without it the stack does not go on.")

    def kill(self) -> None:
        """End every part at once, for those who cannot wait until they stop by themselves."""
        for process in self._running.values():
            process.kill()

    @property
    def _facts(self) -> _Ready:
        if self._ready is None:
            raise RuntimeError("The stack has not been started.")
        return self._ready

    async def _start(self) -> None:
        operator = OperatorSettings.load(self._data_dir)
        engine_arguments(operator.effective_database_url)  # For the clear error, before anything starts.
        folder = operator.data_dir
        lock = await claim(folder)
        self._resources.callback(os.close, lock)
        recalled = recall(folder)
        ports = (
            Ports.ephemeral() if self._ephemeral_ports else Ports.well_known(operator.api_port, operator.api_host)
        )
        secrets = Secrets.gather(operator, os.environ, recalled)
        environment = Environment(folder, ports, operator, secrets)
        http = await self._resources.enter_async_context(
            httpx.AsyncClient(trust_env=False, timeout=2.0, limits=_NO_KEEPALIVE)
        )
        parts = describe_parts(environment, os.environ, http)

        guard = await self._start_guard(lock)
        for part in (parts.temporal, parts.s3, parts.simulator):
            self._resources.push_async_callback(self._prepare(part, guard.pid).stop)
        await _together(
            self._running["temporal"].start(),
            self._running["s3"].start(),
            self._running["simulator"].start(),
            self._migrate(operator),
        )
        token = await _court_token(http, environment.simulator_url) if environment.uses_simulator else None
        remember(folder, environment.local_values(token))
        await self._start_ours(parts, guard.pid)
        self._ready = _Ready(environment, load_settings(data_dir=folder, api_port=ports.api), guard)

    async def _start_ours(self, parts: Parts, group: int) -> None:
        api, worker = (self._prepare(part, group) for part in (parts.api, parts.worker))

        async def stop() -> None:
            await _together(api.stop(), worker.stop())

        self._resources.push_async_callback(stop)
        await _together(api.start(), worker.start())

    def _prepare(self, part: Part, group: int) -> PartProcess:
        self._running[part.name] = PartProcess(part, group)
        return self._running[part.name]

    async def _migrate(self, operator: OperatorSettings) -> None:
        from adapters.database.migrate import upgrade

        await asyncio.to_thread(upgrade, operator.effective_database_url)

    async def _start_guard(self, lock: int) -> Process:
        reader, writer = os.pipe()
        try:
            guard = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(_GUARD), str(_GRACE_SECONDS)),
                stdin=reader,
                stdout=DEVNULL,
                stderr=DEVNULL,
                process_group=0,
                pass_fds=(lock,),
            )
        except BaseException:
            os.close(writer)
            raise
        finally:
            os.close(reader)

        async def dismiss() -> None:
            try:
                os.write(writer, b".")
            except BrokenPipeError:
                pass  # It has died before.
            finally:
                os.close(writer)
            await guard.wait()

        self._resources.push_async_callback(dismiss)
        return guard


async def _together(*work: Coroutine[Any, Any, None]) -> None:
    """Do all at once; when one fails, give up the others and raise what it raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _court_token(http: httpx.AsyncClient, simulator_url: str) -> str:
    try:
        answer = await http.post(f"{simulator_url}/_simulator/token", json={"expires_in": _TOKEN_SECONDS})
        return str(answer.raise_for_status().json()["token"])
    except httpx.HTTPError as error:
        raise PartFailed(f"The simulator gave no token: {error}") from None
