"""A deployment as in production: Postgres, Temporal, a store and a court, and any number of APIs and workers.

Each API and worker is a service of its own, which a test starts and stops, with the code of any version.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from domain.storage import StorageAddress
from tests.support.conditions import eventually
from tests.support.object_store import running_object_store
from tests.support.paths import ROOT
from tests.support.ports import bound_socket
from tests.support.postgres import create_database, running_postgres
from tests.support.receiver import Receiver, running_receiver
from tests.support.simulators import SimulatedCourt, running_simulator
from tests.support.stack import RunningStack, clean_environment

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"a secret of the tests' receivers").decode()


@dataclass
class Service:
    """An API or a worker.

    Attributes:
        name: unique in the deployment; its logs are named after it.
        command: ``api`` or ``worker``.
        code: the folder of the version that it runs. It may be changed before the next start.
        port: of an API. It keeps it when it is started again.
        starts: how often it was started.
    """

    name: str
    command: str
    code: Path
    folder: Path
    variables: dict[str, str]
    port: int
    starts: int = 0
    process: Process | None = None

    @property
    def url(self) -> str:
        """The origin of an API."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, and wait until an API is ready, or a worker polls."""
        self.starts += 1
        self.process = await start_command(self.code, self._log, self.variables, self.command)
        if self.command == "worker":
            await eventually(self._polls, f"{self.name} polls", seconds=_START_SECONDS)
            return
        async with httpx2.AsyncClient(base_url=self.url, trust_env=False, timeout=10) as client:

            async def ready() -> bool:
                self._running()
                try:
                    return (await client.get("/health/ready")).status_code == 200
                except httpx2.TransportError:
                    return False

            await eventually(ready, f"{self.name} is ready", seconds=_START_SECONDS)

    async def stop(self) -> None:
        """Have it end with SIGTERM, as an orchestrator does, and wait for its end."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        assert code == 0, self.read_log()

    async def kill(self) -> None:
        """End it with SIGKILL, as a power cut does."""
        process = self._running()
        process.kill()
        await process.wait()

    async def restart(self, code: Path | None = None) -> None:
        """Stop it and start it again, with another version if one is given."""
        await self.stop()
        self.code = code or self.code
        await self.start()

    def read_log(self) -> str:
        """Return what it has written since its last start."""
        return self._log.read_text(errors="replace")

    @property
    def _log(self) -> Path:
        return self.folder / f"{self.name}-{self.starts}.log"

    def _running(self) -> Process:
        assert self.process is not None
        assert self.process.returncode is None, self.read_log()
        return self.process

    async def _polls(self) -> bool:
        self._running()
        return "worker ready" in self.read_log()


@dataclass
class Deployment:
    """What APIs and workers share.

    Attributes:
        folder: where the services write their logs.
        variables: the settings of all services.
        services: every API and worker that was added, by name.
    """

    folder: Path
    variables: dict[str, str]
    database_url: str
    court: SimulatedCourt
    store: StorageAddress
    temporal: Client
    receiver: Receiver
    services: dict[str, Service] = field(default_factory=dict)

    def add(self, name: str, command: str, code: Path = ROOT) -> Service:
        """Add an API or a worker. It is not started yet."""
        with bound_socket() as probe:
            port = probe.getsockname()[1]
        own = {"AUTOS_API_PORT": str(port), "AUTOS_PUBLIC_URL": f"http://127.0.0.1:{port}"}
        service = Service(name, command, code, self.folder, self.variables | own, port)
        self.services[name] = service
        return service

    async def migrate(self, code: Path = ROOT) -> None:
        """Run ``autos migrate`` of a version to its end."""
        log = self.folder / "migrate.log"
        process = await start_command(code, log, self.variables, "migrate", "--wait", "60")
        assert await asyncio.wait_for(process.wait(), 90) == 0, log.read_text()

    @asynccontextmanager
    async def client_of(self, api: Service) -> AsyncIterator[RunningStack]:
        """Open a client of one API, with what tests do through an API."""
        addresses = {"api": api.url, "webhook_secret": self.receiver.secret, "bucket": self.store.bucket}
        async with (
            httpx2.AsyncClient(base_url=api.url, timeout=30, trust_env=False) as client,
            httpx2.AsyncClient(base_url=self.court.origin, timeout=30, trust_env=False) as court,
        ):
            yield RunningStack(addresses, self.folder, self.folder / "none", client, court, self.temporal)

    async def bring_token(self) -> None:
        """Create the court's token, which the settings of all services have."""
        self.variables["AUTOS_COURT_TOKEN"] = await self.court.create_token(expires_in=24 * 3600)


async def start_command(code: Path, log: Path, variables: dict[str, str], *arguments: str) -> Process:
    """Start ``autos`` of a version: none of its modules comes from this tree, unless it is this tree."""
    environment = clean_environment(**variables, PYTHONPATH=f"{code}:{code / 'client'}")
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, str(code / "cli" / "main.py"), *arguments),
            cwd=log.parent,
            env=environment,
            stdout=output,
            stderr=output,
        )


async def list_modules(code: Path, folder: Path, *modules: str) -> list[Path]:
    """Return the files from which a version would load modules."""
    log = folder / "modules.log"
    script = f"import importlib, json; print(json.dumps([importlib.import_module(m).__file__ for m in {modules}]))"
    environment = clean_environment(PYTHONPATH=f"{code}:{code / 'client'}")
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script), cwd=folder, env=environment, stdout=output
        )
    assert await process.wait() == 0
    return [Path(file) for file in json.loads(log.read_text())]


@asynccontextmanager
async def running_deployment(folder: Path, **variables: str) -> AsyncIterator[Deployment]:
    """Run what APIs and workers need until the block is left, and then stop those that still run."""
    store_folder = folder / "store"
    store_folder.mkdir()
    async with AsyncExitStack() as running:
        store = running.enter_context(running_object_store(store_folder))
        database_url = await create_database(running.enter_context(running_postgres()), "autos")
        court = SimulatedCourt(running.enter_context(running_simulator()))
        running.push_async_callback(court.close)
        receiver = running.enter_context(running_receiver(_WEBHOOK_SECRET))
        environment = await WorkflowEnvironment.start_local(
            dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
            dev_server_extra_args=["--dynamic-config-value", "matching.enableFairness=true"],
        )
        await running.enter_async_context(environment)
        temporal = environment.client
        settings = {
            "AUTOS_DATABASE_URL": database_url,
            "AUTOS_DATA_DIR": str(folder / "data"),
            "AUTOS_S3_ENDPOINT_URL": str(store.endpoint_url),
            "AUTOS_S3_BUCKET": store.bucket,
            "AUTOS_S3_ACCESS_KEY_ID": str(store.access_key_id),
            "AUTOS_S3_SECRET_ACCESS_KEY": str(store.secret_access_key),
            "AUTOS_COURT_BASE_URL": court.origin,
            "AUTOS_COURT_REQUESTS_PER_SECOND": "200",
            "AUTOS_COURT_CONCURRENCY": "8",
            "AUTOS_SECRET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AUTOS_WEBHOOK_SECRET": _WEBHOOK_SECRET,
            "AUTOS_WEBHOOK_ALLOW_HTTP": "true",
            "AUTOS_WEBHOOK_ALLOW_PRIVATE": "true",
            "TEMPORAL_ADDRESS": temporal.service_client.config.target_host,
        }
        deployment = Deployment(folder, settings | variables, database_url, court, store, temporal, receiver)
        await deployment.bring_token()
        try:
            yield deployment
        finally:
            await asyncio.gather(
                *(
                    service.kill()
                    for service in deployment.services.values()
                    if service.process is not None and service.process.returncode is None
                )
            )
