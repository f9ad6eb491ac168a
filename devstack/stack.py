"""The local stack: starts and stops all services together."""

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

import httpx2

from adapters.database.urls import engine_arguments
from devstack.data_folder import lock_data_folder, read_local_values, write_local_values
from devstack.environment import Environment, OperatorSettings, Secrets
from devstack.ports import Ports
from devstack.services import Services, describe_services
from devstack.supervisor import Service, ServiceFailed, SupervisedService
from settings import Settings, load_settings
from settings_fields import LOCAL_STACK_FILE

_GUARD = Path(__file__).with_name("guard.py")
_GRACE_SECONDS = 3.0
# A service that is stopping must not have to wait for our idle connections.
_NO_KEEPALIVE = httpx2.Limits(max_keepalive_connections=0)
_TOKEN_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class _Started:
    """Facts about a stack that are known once it is ready."""

    environment: Environment
    settings: Settings
    guard: Process


class Stack:
    """Async context manager that runs Temporal, S3, the simulator, the API and the worker.

    A service that dies is restarted with the same command, environment and ports. Leaving the block stops the
    services in the reverse order of their start. If this program dies without leaving it, a guard stops them.
    """

    def __init__(self, data_dir: Path | None = None, *, ephemeral_ports: bool = False) -> None:
        """Prepare a stack. Nothing is started yet.

        Args:
            data_dir: where its state is kept between runs. ``None`` uses the setting.
            ephemeral_ports: use free ports instead of the documented ones.
        """
        self._data_dir = data_dir
        self._ephemeral_ports = ephemeral_ports
        self._resources = AsyncExitStack()
        self._services: dict[str, SupervisedService] = {}
        self._started: _Started | None = None

    async def __aenter__(self) -> Self:
        """Start all services, and return when all are ready.

        Raises:
            ConfigurationError: a port, a program, the data folder or a setting cannot be used.
            ServiceFailed: a service did not start.
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
        """Stop all services."""
        await self._resources.aclose()

    @property
    def settings(self) -> Settings:
        """The settings of the API and the worker."""
        return self._facts.settings

    def addresses(self) -> dict[str, object]:
        """Return the addresses, secrets and PIDs, as ``autos up --json`` prints them."""
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
            "pids": {name: self._services[name].pid for name in ("api", "worker", "temporal", "s3", "simulator")},
        }

    @property
    def webhook_secret_place(self) -> str:
        """Where the secret is that signs the webhooks of this stack. The secret itself is not shown."""
        if self._facts.environment.operator.is_set("webhook_secret"):
            return "AUTOS_WEBHOOK_SECRET, as you have set it"
        return f"webhook_secret in {self.settings.data_dir / LOCAL_STACK_FILE}"

    @property
    def s3_keys_place(self) -> str:
        """Where the keys of the object store are. The keys themselves are not shown."""
        environment = self._facts.environment
        if environment.uses_own_s3 and not environment.secrets.s3_keys_are_given:
            return f"s3_access_key_id and s3_secret_access_key in {self.settings.data_dir / LOCAL_STACK_FILE}"
        return "as you have set them"

    async def wait(self) -> Never:
        """Wait for as long as the guard runs. Never returns.

        Raises:
            ServiceFailed: the guard has died. Without it, services could outlive this program.
        """
        await self._facts.guard.wait()
        raise ServiceFailed("The guard of the local stack has died; the stack does not run without it.")

    def kill(self) -> None:
        """Kill all services, without waiting for them to stop by themselves."""
        for service in self._services.values():
            service.kill()

    @property
    def _facts(self) -> _Started:
        if self._started is None:
            raise RuntimeError("The stack has not been started.")
        return self._started

    async def _start(self) -> None:
        operator = OperatorSettings.load(self._data_dir)
        engine_arguments(operator.effective_database_url)  # Raises a clear error before anything starts.
        folder = operator.data_dir
        lock = await lock_data_folder(folder)
        self._resources.callback(os.close, lock)
        saved = read_local_values(folder)
        ports = (
            Ports.ephemeral() if self._ephemeral_ports else Ports.well_known(operator.api_port, operator.api_host)
        )
        secrets = Secrets.collect(operator, os.environ, saved)
        environment = Environment(folder, ports, operator, secrets)
        http = await self._resources.enter_async_context(
            httpx2.AsyncClient(trust_env=False, timeout=2.0, limits=_NO_KEEPALIVE)
        )
        services = describe_services(environment, os.environ, http)

        guard = await self._start_guard(lock)
        for service in (services.temporal, services.s3, services.simulator):
            self._resources.push_async_callback(self._supervise(service, guard.pid).stop)
        await _run_concurrently(
            self._services["temporal"].start(),
            self._services["s3"].start(),
            self._services["simulator"].start(),
            _migrate(operator),
        )
        token = await _issue_court_token(http, environment.simulator_url) if environment.uses_simulator else None
        write_local_values(folder, environment.local_values(token))
        await self._start_api_and_worker(services, guard.pid)
        self._started = _Started(environment, load_settings(data_dir=folder, api_port=ports.api), guard)

    async def _start_api_and_worker(self, services: Services, group: int) -> None:
        api, worker = (self._supervise(service, group) for service in (services.api, services.worker))

        async def stop() -> None:
            await _run_concurrently(api.stop(), worker.stop())

        self._resources.push_async_callback(stop)
        await _run_concurrently(api.start(), worker.start())

    def _supervise(self, service: Service, group: int) -> SupervisedService:
        self._services[service.name] = SupervisedService(service, group)
        return self._services[service.name]

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

        async def dismiss_guard() -> None:
            try:
                os.write(writer, b".")
            except BrokenPipeError:
                pass  # The guard has died already.
            finally:
                os.close(writer)
            await guard.wait()

        self._resources.push_async_callback(dismiss_guard)
        return guard


async def _migrate(operator: OperatorSettings) -> None:
    from adapters.database.migrate import upgrade

    await asyncio.to_thread(upgrade, operator.effective_database_url)


async def _run_concurrently(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all coroutines concurrently. The first failure cancels the others and is raised by itself."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in coroutines:
                group.create_task(coroutine)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _issue_court_token(http: httpx2.AsyncClient, simulator_url: str) -> str:
    try:
        response = await http.post(f"{simulator_url}/_simulator/token", json={"expires_in": _TOKEN_SECONDS})
        return str(response.raise_for_status().json()["token"])
    except httpx2.HTTPError as error:
        raise ServiceFailed(f"The simulator did not issue a token: {error}") from None
