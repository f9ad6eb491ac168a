"""What the commands say of a database or a Temporal that cannot be used: one sentence, soon, the right code."""

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

import httpx
import pytest

from adapters.temporal import connect, connect_patiently
from domain.errors import ConfigurationError, DependencyUnavailable
from local.environment import Environment, OperatorSettings, Secrets
from local.parts import describe_parts
from local.ports import Ports
from local.process import PartProcess
from tests.local.conftest import ROOT, run_autos

SECRET = "a-secret-word"
NEVER_THERE = "127.0.0.1:1"


@pytest.fixture(scope="module")
async def temporal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a Temporal, started as the local stack starts it."""
    folder = tmp_path_factory.mktemp("temporal")
    (folder / "logs").mkdir()
    operator = OperatorSettings.load(folder)
    environment = Environment(folder, Ports.ephemeral(), operator, Secrets.gather(operator, {}, {}))
    async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
        part = PartProcess(describe_parts(environment, os.environ, http).temporal, os.getpgid(0))
        try:
            await part.start()
            yield environment.temporal_address
        finally:
            await part.stop()


@contextmanager
def silent_server() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a refusal."""
    assert done.stdout == ""
    assert done.stderr.startswith("autos: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert SECRET not in done.stderr
    return done.stderr


@pytest.mark.parametrize("command", ["api", "worker", "migrate", "up"])
def test_a_database_of_another_kind(command: str, tmp_path: Path) -> None:
    refused = run_autos(
        *([command, "--ephemeral-ports"] if command == "up" else [command]),
        AUTOS_DATABASE_URL=f"mysql://u:{SECRET}@h/d",
        AUTOS_DATA_DIR=str(tmp_path),
        AUTOS_API_PORT="0",
        TEMPORAL_ADDRESS=NEVER_THERE,
        AUTOS_LOG_LEVEL="error",
    )
    assert refused.returncode == 2, refused.stderr
    assert "another kind (mysql)" in one_line(refused)


def test_a_foreign_database_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "others.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE documents (id INTEGER)")
    refused = run_autos(
        "migrate", AUTOS_DATABASE_URL=f"sqlite:///{file}", AUTOS_DATA_DIR=str(tmp_path), AUTOS_LOG_LEVEL="error"
    )
    assert refused.returncode == 2, refused.stderr
    assert "table documents" in one_line(refused)
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("documents",)]


@pytest.mark.parametrize("command", ["api", "migrate"])
def test_an_address_of_temporal_that_is_none(command: str, tmp_path: Path) -> None:
    refused = run_autos(command, AUTOS_DATA_DIR=str(tmp_path), AUTOS_API_PORT="0", TEMPORAL_ADDRESS="somewhere")
    assert refused.returncode == 2, refused.stderr
    assert "TEMPORAL_ADDRESS must be HOST:PORT" in one_line(refused)


@pytest.mark.parametrize(
    ("variables", "words"),
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
async def test_a_temporal_that_is_set_up_otherwise(
    variables: dict[str, str], words: str, temporal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ({"TEMPORAL_ADDRESS": temporal} | variables).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        await connect_patiently(30)
    assert words in str(refused.value)
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
    assert "has no namespace elsewhere" in one_line(refused)


@pytest.mark.parametrize("command", ["worker", "api"])
def test_an_unreachable_temporal_is_said_while_it_is_waited_for(command: str, tmp_path: Path) -> None:
    words = first_words(command, tmp_path, TEMPORAL_ADDRESS=NEVER_THERE)
    assert f"Temporal does not answer at {NEVER_THERE}." in words


async def test_a_temporal_that_says_nothing_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_server() as address:
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        begun = time.perf_counter()
        with pytest.raises(DependencyUnavailable, match=address):
            await connect()
    assert time.perf_counter() - begun < 8


async def test_the_api_says_that_the_namespace_is_missing(temporal: str, tmp_path: Path) -> None:
    words = first_words("api", tmp_path, TEMPORAL_ADDRESS=temporal, TEMPORAL_NAMESPACE="elsewhere")
    assert "has no namespace elsewhere" in words


def first_words(command: str, folder: Path, **variables: str) -> str:
    """Return the first line of a running command that speaks of Temporal, within ten seconds; then end it."""
    environment = {**os.environ, "AUTOS_DATA_DIR": str(folder), "AUTOS_API_PORT": "0", **variables}
    environment |= {"AUTOS_S3_ACCESS_KEY_ID": "a", "AUTOS_S3_SECRET_ACCESS_KEY": "b", "AUTOS_LOG_FORMAT": "json"}
    running = subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), command],
        cwd="/",
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    patience = threading.Timer(10, running.kill)
    patience.start()
    try:
        assert running.stderr is not None
        return next((line for line in running.stderr if "emporal" in line), "")
    finally:
        patience.cancel()
        running.kill()
        running.wait()
        if running.stderr is not None:
            running.stderr.close()
