"""What the five parts of the local stack are: their commands, their logs, and how each shows that it is ready."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from temporalio.api.enums.v1 import TaskQueueType

from domain.errors import ConfigurationError
from local.data_folder import log_file
from local.environment import Environment, plain
from local.object_store import mini_arguments, mutual_tls, signed_bucket_request
from local.ports import LOOPBACK, S3_INTERNAL
from local.process import Part
from local.readiness import TemporalProbe, answers
from workflows.options import COURT_QUEUE, PROCESSES_QUEUE
from workflows.search_attributes import SEARCH_ATTRIBUTES

_POLLED_QUEUES = (
    (PROCESSES_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),
    (PROCESSES_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
    (COURT_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
)
_CLI = Path(__file__).parent.parent / "cli.py"


@dataclass(frozen=True, slots=True)
class Parts:
    """The five parts, in the order in which they may be started."""

    temporal: Part
    s3: Part
    simulator: Part
    api: Part
    worker: Part


def describe_parts(environment: Environment, environ: Mapping[str, str], http: httpx.AsyncClient) -> Parts:
    """Say what to start for this stack.

    Raises:
        ConfigurationError: the program of a part is missing.
    """
    temporal_probe = TemporalProbe(environment.temporal_address)
    return Parts(
        temporal=_temporal(environment, environ, temporal_probe),
        s3=_s3(environment, environ, http),
        simulator=_simulator(environment, environ, http),
        api=_api(environment, environ, http),
        worker=_worker(environment, environ, temporal_probe),
    )


def _temporal(environment: Environment, environ: Mapping[str, str], probe: TemporalProbe) -> Part:
    ports = environment.ports
    dynamic_config = {
        # One worker polls here; more partitions only make it wait longer for a task.
        "matching.numTaskqueueReadPartitions": "1",
        "matching.numTaskqueueWritePartitions": "1",
        # Clients whose tasks have the same priority take turns.
        "matching.enableFairness": "true",
        "frontend.enableServerVersionCheck": "false",
        # The dev server cannot be started without its HTTP API, which takes orders from any web page that the
        # operator opens. No request has a blank as its host, so it refuses them all.
        "frontend.httpAllowedHosts": '[" "]',
    }
    command = [
        _program("temporal", "AUTOS_TEMPORAL_BIN", environ),
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
        return await probe.server_answers()

    return Part(
        "temporal",
        tuple(command),
        env=plain(environ),
        ready=ready,
        log=log_file(environment.folder, "temporal"),
    )


def _s3(environment: Environment, environ: Mapping[str, str], http: httpx.AsyncClient) -> Part:
    internal = dict(zip(S3_INTERNAL, environment.ports.s3_internal, strict=True))
    address = environment.own_storage
    command = (
        _program("weed", "AUTOS_WEED_BIN", environ),
        *mini_arguments(
            environment.folder / "s3",
            bucket=address.bucket,
            s3_port=environment.ports.s3,
            internal_ports=internal,
        ),
    )

    async def ready(_: float) -> bool:
        return await answers(http, signed_bucket_request(address))

    def sockets() -> list[Path]:
        # Unix sockets whose place cannot be changed and that are left behind.
        ports = (environment.ports.s3, *internal.values())
        return [path for port in ports for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]  # noqa: S108

    return Part(
        "s3",
        command,
        env=environment.for_s3(environ) | mutual_tls(environment.folder / "s3-tls"),
        ready=ready,
        log=log_file(environment.folder, "s3"),
        # Its volume server may wait for idle connections of its filer for a minute; all is written by then.
        stop_seconds=3.0,
        leaves=sockets,
    )


def _simulator(environment: Environment, environ: Mapping[str, str], http: httpx.AsyncClient) -> Part:
    async def ready(_: float) -> bool:
        return await answers(http, f"{environment.simulator_url}/_simulator/stats")

    return Part(
        "simulator",
        (*_own("simulator"), "--host", LOOPBACK, "--port", str(environment.ports.simulator)),
        env=environment.for_our_parts(environ),
        ready=ready,
        log=log_file(environment.folder, "simulator"),
    )


def _api(environment: Environment, environ: Mapping[str, str], http: httpx.AsyncClient) -> Part:
    async def ready(_: float) -> bool:
        return await answers(http, f"{environment.api_url}/health/ready")

    return Part("api", _own("api"), env=environment.for_our_parts(environ), ready=ready, stop_seconds=12.0)


def _worker(environment: Environment, environ: Mapping[str, str], probe: TemporalProbe) -> Part:
    async def ready(since: float) -> bool:
        return await probe.queues_are_polled(_POLLED_QUEUES, since)

    return Part("worker", _own("worker"), env=environment.for_our_parts(environ), ready=ready, stop_seconds=12.0)


def _own(command: str) -> tuple[str, ...]:
    # By its path, not by its name: a module of the same name in the current folder must not be run instead.
    return (sys.executable, str(_CLI), command)


def _program(name: str, variable: str, environ: Mapping[str, str]) -> str:
    beside_python = Path(sys.executable).parent / name
    candidates = [environ[variable]] if variable in environ else [str(beside_python), name]
    for candidate in candidates:
        found = shutil.which(candidate, path=environ.get("PATH", os.defpath))
        if found is not None:
            return found
    raise ConfigurationError(
        f"The program {candidates[-1]!r} is missing: install autos with its extra [local], "
        f"or name the program with {variable}."
    )
