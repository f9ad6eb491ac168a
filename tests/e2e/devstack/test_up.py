"""`autos up` as its users run it: its services are killed and it is stopped from outside."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import aioboto3
import httpx2
import psutil
import pytest

from devstack.temporal_views import TEMPORAL_VIEWS
from tests.e2e.devstack.conftest import is_running, list_pids_naming, run_autos
from tests.support.conditions import eventually_sync
from tests.support.paths import CLI
from tests.support.receiver import running_receiver

SERVICES = {"api", "worker", "temporal", "s3", "simulator"}


class Up:
    """A running `autos up`, with the lines of its standard error."""

    def __init__(self, data_dir: Path, **variables: str) -> None:
        self.data_dir = data_dir
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(CLI),
                "up",
                "--data-dir",
                str(data_dir),
                "--ephemeral-ports",
                "--json",
            ],
            cwd=data_dir,  # Where no `.env` is.
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.errors: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,))
        self._reader.start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.close()
            pytest.fail("".join(self.errors))
        self.addresses: dict[str, Any] = json.loads(line)

    def _read(self, stderr: IO[str]) -> None:
        self.errors.extend(stderr)

    def pids(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]

    def restarted_pid(self, service: str) -> int | None:
        """Return the PID of a restarted service from the log, `None` if it was not restarted."""
        for line in self.errors:
            if f"{service} is running again" in line:
                return int(json.loads(line)["pid"])
        return None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join()
        return code

    @asynccontextmanager
    async def s3(self) -> AsyncIterator[Any]:
        local = json.loads((self.data_dir / "local.json").read_text())
        async with aioboto3.Session().client(
            "s3",
            endpoint_url=self.addresses["s3"],
            aws_access_key_id=local["s3_access_key_id"],
            aws_secret_access_key=local["s3_secret_access_key"],
            region_name="us-east-1",
        ) as client:
            yield client

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


class Stacks:
    """Stacks that run one after the other on one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.started: list[Up] = []

    def get_running(self) -> Up:
        """Return the running stack; start a new one if none runs."""
        if not self.started or self.started[-1].process.poll() is not None:
            self.started.append(Up(self.data_dir))
        return self.started[-1]


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    stacks = Stacks(tmp_path_factory.mktemp("stack"))
    yield stacks
    for each in stacks.started:
        each.close()


@pytest.fixture
def up(stacks: Stacks) -> Up:
    return stacks.get_running()


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, trust_env=False, timeout=30).is_success
    except httpx2.TransportError:
        return False


def test_the_first_line_has_every_address(up: Up) -> None:
    assert list(up.addresses) == [
        *("api", "temporal", "temporal_ui", "s3", "bucket", "simulator", "api_key", "webhook_secret", "pids")
    ]
    assert up.addresses["bucket"] == "autos"
    assert up.addresses["api_key"] is None
    assert up.addresses["webhook_secret"].startswith("whsec_")
    assert set(up.addresses["pids"]) == SERVICES
    assert all(psutil.Process(pid).ppid() == up.process.pid for pid in up.addresses["pids"].values())
    assert not any("alembic" in line for line in up.errors)


async def test_every_service_answers_once_the_first_line_is_printed(up: Up) -> None:
    host, port = up.addresses["temporal"].split(":")

    assert answers(f"{up.addresses['api']}/health/ready")
    assert answers(f"{up.addresses['simulator']}/_simulator/stats")
    assert answers(up.addresses["temporal_ui"])
    socket.create_connection((host, int(port))).close()
    async with up.s3() as s3:
        await s3.put_object(Bucket="autos", Key="kept", Body=b"over a restart")


def test_every_service_listens_only_on_the_loopback(up: Up) -> None:
    listening = {
        connection.laddr.ip
        for pid in up.pids()
        for connection in psutil.Process(pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }

    assert listening == {"127.0.0.1"}


def test_webhooks_to_ports_of_the_stack_are_refused(up: Up) -> None:
    own = json.loads((up.data_dir / "local.json").read_text())["stack_ports"]
    # Temporal's internal services use more ports, chosen at each start. They speak only HTTP/2, webhooks HTTP/1.1.
    pids = [pid for name, pid in up.addresses["pids"].items() if name != "temporal"]
    assert set(own) >= {
        connection.laddr.port
        for pid in pids
        for connection in psutil.Process(pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    for port in own:
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"):
            answer = send_test_event(up, f"http://{host}:{port}/")
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_webhook_url"), (host, port)


def send_test_event(up: Up, url: str, **headers: str) -> httpx2.Response:
    """Request a test event for an address."""
    return httpx2.post(
        f"{up.addresses['api']}/webhooks/test", json={"url": url}, headers=headers, trust_env=False, timeout=30
    )


def test_secrets_are_private_and_on_no_command_line(up: Up) -> None:
    local = up.data_dir / "local.json"
    values = json.loads(local.read_text())
    command_lines = " ".join(" ".join(psutil.Process(pid).cmdline()) for pid in up.pids())

    assert stat.S_IMODE(local.stat().st_mode) == 0o600
    assert values["webhook_secret"] == up.addresses["webhook_secret"]
    for name in ("webhook_secret", "s3_access_key_id", "s3_secret_access_key", "court_token"):
        assert values[name] not in command_lines
        assert values[name] not in "".join(up.errors)


def test_a_folder_in_use_is_one_line_of_error(up: Up) -> None:
    refused = run_autos("up", "--data-dir", str(up.data_dir), "--ephemeral-ports")

    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.count("\n") == 1
    assert f"in use by another local stack (PID {up.process.pid})" in refused.stderr


@pytest.mark.parametrize("service", ["simulator", "s3", "temporal", "worker", "api"])
def test_a_killed_service_is_restarted_on_its_own_port(up: Up, service: str) -> None:
    first = up.addresses["pids"][service]
    address = {
        "simulator": f"{up.addresses['simulator']}/_simulator/stats",
        "s3": f"{up.addresses['s3']}/healthz",
        "temporal": up.addresses["temporal_ui"],
    }.get(service, f"{up.addresses['api']}/health/ready")

    os.kill(first, signal.SIGKILL)

    eventually_sync(lambda: up.restarted_pid(service) is not None, f"{service} is said to run again")
    eventually_sync(lambda: answers(address), f"{service} answers at {address}")
    assert any(f"{service} was killed by SIGKILL; restarting" in line for line in up.errors)
    assert up.restarted_pid(service) != first
    assert not is_running(first)


def test_the_first_key_ends_private_receivers(up: Up) -> None:
    with running_receiver(up.addresses["webhook_secret"]) as receiver:
        assert send_test_event(up, receiver.url).status_code == 202
        eventually_sync(lambda: len(receiver.received) == 1, "the event arrives")

        made = run_autos("key", "new", "first", "--json", AUTOS_DATA_DIR=str(up.data_dir))
        key = {"Authorization": f"Bearer {json.loads(made.stdout)['key']}"}

        # The API may need a second to notice the key.
        eventually_sync(lambda: send_test_event(up, receiver.url).status_code == 401, "keys are asked for")
        refused = send_test_event(up, receiver.url, **key)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_webhook_url")


def test_sigterm_stops_everything(up: Up) -> None:
    pids = up.pids()
    assert len(pids) == len(SERVICES) + 1  # The guard.

    assert up.stop() == 0

    assert not any(is_running(pid) for pid in pids)
    assert not any("Traceback" in line for line in up.errors), "".join(up.errors)


async def test_state_survives_a_restart(stacks: Stacks, up: Up) -> None:
    assert up.addresses["webhook_secret"] == stacks.started[0].addresses["webhook_secret"]
    async with up.s3() as s3:
        kept = await s3.get_object(Bucket="autos", Key="kept")
        assert await kept["Body"].read() == b"over a restart"


def test_a_killed_stack_leaves_nothing_running(up: Up) -> None:
    pids = up.pids()

    up.stop(signal.SIGKILL)

    eventually_sync(lambda: not any(is_running(pid) for pid in pids), "all parts have ended")


def test_a_person_is_told_where_everything_is(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(CLI), "up", "--data-dir", str(tmp_path), "--ephemeral-ports"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = list(iter(process.stdout.readline, "Press Ctrl-C to stop.\n"))
        rows = dict(re.split(" {2,}", line.strip(), maxsplit=1) for line in lines)
        local = tmp_path / "local.json"
        assert rows["Webhook secret"] == f"webhook_secret in {local}"
        assert json.loads(local.read_text())["webhook_secret"] not in "".join(lines)
        assert rows["Logs"] == f"API and worker: here; the others: {tmp_path / 'logs'}"
        assert (tmp_path / "logs" / "temporal.log").exists()
        for name in ("Page", "API documentation", "Temporal UI", *(view.name for view in TEMPORAL_VIEWS)):
            assert answers(rows[name]), name
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.long
def test_a_second_signal_kills_what_does_not_stop(up: Up) -> None:
    pids = up.pids()
    api = psutil.Process(up.addresses["pids"]["api"])
    api.suspend()  # A suspended service never stops by itself.

    up.process.send_signal(signal.SIGINT)
    eventually_sync(lambda: any("stopping" in line for line in up.errors), "it begins to stop")

    assert up.stop(signal.SIGINT) == 0
    assert not any(is_running(pid) for pid in pids)


@pytest.mark.long
def test_a_stack_can_be_stopped_while_it_starts(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(CLI), "up", "--data-dir", str(tmp_path), "--ephemeral-ports", "--json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    eventually_sync((tmp_path / "logs" / "s3.log").exists, "parts are being started")

    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)

    assert process.returncode == 0
    assert output == b""
    assert not list_pids_naming(tmp_path)
