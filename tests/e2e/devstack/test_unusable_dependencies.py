"""Commands with an unusable database or Temporal: one line of error, quickly, with the right exit code."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from adapters.temporal.connection import connect, connect_patiently
from devstack.environment import Environment, OperatorSettings, Secrets
from devstack.ports import Ports
from devstack.services import describe_services
from devstack.supervisor import SupervisedService
from domain.errors import ConfigurationError, DependencyUnavailable
from tests.e2e.devstack.conftest import run_autos
from tests.support.paths import CLI

SECRET = "a-secret-word"
UNUSED_ADDRESS = "127.0.0.1:1"


@pytest.fixture(scope="module")
async def temporal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a Temporal that is started as the local stack starts it."""
    folder = tmp_path_factory.mktemp("temporal")
    (folder / "logs").mkdir()
    operator = OperatorSettings.load(folder)
    environment = Environment(folder, Ports.ephemeral(), operator, Secrets.collect(operator, {}, {}))
    async with httpx2.AsyncClient(trust_env=False, timeout=2) as http:
        service = SupervisedService(describe_services(environment, os.environ, http).temporal, os.getpgid(0))
        try:
            await service.start()
            yield environment.temporal_address
        finally:
            await service.stop()


@contextmanager
def silent_server() -> Iterator[str]:
    """Run a server that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def read_error_line(done: subprocess.CompletedProcess[str]) -> str:
    """Check that a command printed one line of error without the secret, and return it."""
    assert done.stdout == ""
    assert done.stderr.startswith("autos: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert SECRET not in done.stderr
    return done.stderr


@pytest.mark.parametrize("command", ["api", "worker", "migrate", "up"])
def test_a_database_of_another_kind_is_refused(command: str, tmp_path: Path) -> None:
    refused = run_autos(
        *([command, "--ephemeral-ports"] if command == "up" else [command]),
        AUTOS_DATABASE_URL=f"mysql://u:{SECRET}@h/d",
        AUTOS_DATA_DIR=str(tmp_path),
        AUTOS_API_PORT="0",
        TEMPORAL_ADDRESS=UNUSED_ADDRESS,
        AUTOS_LOG_LEVEL="error",
    )
    assert refused.returncode == 2, refused.stderr
    assert "another kind (mysql)" in read_error_line(refused)


def test_a_foreign_database_is_refused_and_not_changed(tmp_path: Path) -> None:
    file = tmp_path / "others.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE documents (id INTEGER)")
    refused = run_autos(
        "migrate", AUTOS_DATABASE_URL=f"sqlite:///{file}", AUTOS_DATA_DIR=str(tmp_path), AUTOS_LOG_LEVEL="error"
    )
    assert refused.returncode == 2, refused.stderr
    assert "table documents" in read_error_line(refused)
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("documents",)]


@pytest.mark.parametrize("command", [("migrate",), ("key", "list"), ("key", "new", "desk")])
def test_a_database_that_does_not_answer_is_named(command: tuple[str, ...], tmp_path: Path) -> None:
    refused = run_autos(
        *command, AUTOS_DATABASE_URL=f"postgresql://u:{SECRET}@{UNUSED_ADDRESS}/cat", AUTOS_DATA_DIR=str(tmp_path)
    )
    assert refused.returncode == 5, refused.stderr
    assert f"AUTOS_DATABASE_URL names the database cat at {UNUSED_ADDRESS}." in read_error_line(refused)


def test_a_database_file_without_tables_is_named(tmp_path: Path) -> None:
    refused = run_autos("key", "list", AUTOS_DATA_DIR=str(tmp_path))
    assert refused.returncode == 5, refused.stderr
    assert f"run `autos migrate`. Its file is {tmp_path / 'autos.db'} " in read_error_line(refused)


def test_migrations_print_nothing_unless_asked(tmp_path: Path) -> None:
    def migrate(folder: str, **variables: str) -> str:
        variables |= {"AUTOS_DATA_DIR": str(tmp_path / folder), "TEMPORAL_ADDRESS": UNUSED_ADDRESS}
        return run_autos("migrate", **variables).stderr

    assert migrate("quiet").startswith("autos: Temporal does not answer")
    assert "Running upgrade" in migrate("asked", AUTOS_LOG_LEVEL="debug")


def test_an_api_with_unusable_s3_keys_is_one_sentence(tmp_path: Path) -> None:
    refused = run_autos("api", AUTOS_DATA_DIR=str(tmp_path), AUTOS_API_PORT="0", AUTOS_LOG_LEVEL="error")
    assert refused.returncode == 2, refused.stderr
    assert "AUTOS_S3_ACCESS_KEY_ID" in read_error_line(refused)


@pytest.mark.parametrize("command", ["api", "migrate"])
def test_an_invalid_address_of_temporal_is_refused(command: str, tmp_path: Path) -> None:
    refused = run_autos(command, AUTOS_DATA_DIR=str(tmp_path), AUTOS_API_PORT="0", TEMPORAL_ADDRESS="somewhere")
    assert refused.returncode == 2, refused.stderr
    assert "TEMPORAL_ADDRESS must be HOST:PORT" in read_error_line(refused)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TEMPORAL_ADDRESS": "somewhere"}, "TEMPORAL_ADDRESS must be HOST:PORT"),
        ({"TEMPORAL_ADDRESS": "a b:1"}, "TEMPORAL_ADDRESS must be HOST:PORT"),
        ({"TEMPORAL_TLS_CLIENT_CERT_PATH": "/nowhere"}, "cannot be read: No such file"),
        ({"TEMPORAL_PROFILE": "nobody"}, "TEMPORAL_PROFILE"),
        ({"TEMPORAL_CONFIG_FILE": "/etc/passwd"}, "TEMPORAL_CONFIG_FILE"),
        ({"TEMPORAL_NAMESPACE": "elsewhere"}, "has no namespace elsewhere"),
        ({"TEMPORAL_TLS": "true"}, "speaks no TLS"),
        ({"TEMPORAL_API_KEY": SECRET}, "speaks no TLS"),
        (
            {"TEMPORAL_TLS_CLIENT_CERT_PATH": "/etc/passwd", "TEMPORAL_TLS_CLIENT_KEY_PATH": "/etc/passwd"},
            "TEMPORAL_TLS_CLIENT_KEY_PATH",
        ),
    ],
)
async def test_a_temporal_with_other_settings_is_refused(
    variables: dict[str, str], expected: str, temporal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ({"TEMPORAL_ADDRESS": temporal} | variables).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        await connect_patiently(30)
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("command", ["worker", "migrate"])
async def test_a_missing_namespace_ends_the_command(command: str, temporal: str, tmp_path: Path) -> None:
    refused = run_autos(
        command,
        AUTOS_DATA_DIR=str(tmp_path),
        AUTOS_LOG_LEVEL="error",
        TEMPORAL_ADDRESS=temporal,
        TEMPORAL_NAMESPACE="elsewhere",
    )
    assert refused.returncode == 2, refused.stderr
    assert "has no namespace elsewhere" in read_error_line(refused)


@pytest.mark.parametrize("command", ["worker", "api"])
def test_an_unreachable_temporal_is_logged_while_waiting(command: str, tmp_path: Path) -> None:
    line = first_temporal_line(command, tmp_path, TEMPORAL_ADDRESS=UNUSED_ADDRESS)
    assert f"Temporal does not answer at {UNUSED_ADDRESS}." in line


async def test_a_temporal_that_never_answers_is_given_up_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_server() as address:
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        begun = time.perf_counter()
        with pytest.raises(DependencyUnavailable, match=address):
            await connect()
    assert time.perf_counter() - begun < 8


async def test_the_api_logs_that_the_namespace_is_missing(temporal: str, tmp_path: Path) -> None:
    line = first_temporal_line("api", tmp_path, TEMPORAL_ADDRESS=temporal, TEMPORAL_NAMESPACE="elsewhere")
    assert "has no namespace elsewhere" in line


def first_temporal_line(command: str, folder: Path, **variables: str) -> str:
    """Run a command, return the first line about Temporal on its standard error, and kill the command.

    The line is empty if there is none within half a minute.
    """
    environment = {**os.environ, "AUTOS_DATA_DIR": str(folder), "AUTOS_API_PORT": "0", **variables}
    environment |= {"AUTOS_S3_ACCESS_KEY_ID": "a", "AUTOS_S3_SECRET_ACCESS_KEY": "b", "AUTOS_LOG_FORMAT": "json"}
    running = subprocess.Popen(
        [sys.executable, str(CLI), command],
        cwd="/",
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    timer = threading.Timer(30, running.kill)
    timer.start()
    try:
        assert running.stderr is not None
        return next((line for line in running.stderr if "emporal" in line), "")
    finally:
        timer.cancel()
        running.kill()
        running.wait()
        if running.stderr is not None:
            running.stderr.close()
