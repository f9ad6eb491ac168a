"""The command line: help, version, and errors on one line."""

from __future__ import annotations

import re
import resource
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.devstack.conftest import run_autos


def cpu_seconds_of_children() -> float:
    """Return the CPU that the ended children of this test runner have taken."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_help_lists_the_commands_quickly() -> None:
    # The command's own CPU: the time of the clock is also that of the tests beside this one.
    before = cpu_seconds_of_children()
    shown = run_autos("--help")

    assert shown.returncode == 0
    assert cpu_seconds_of_children() - before < 2
    for command in ("up", "api", "worker", "simulator", "migrate"):
        assert re.search(rf"\b{command}\b", shown.stdout)


def test_version_is_printed() -> None:
    shown = run_autos("--version")

    assert shown.returncode == 0
    assert shown.stdout.startswith("autos")


def test_an_unknown_command_is_a_usage_error() -> None:
    assert run_autos("fetch").returncode == 2


@pytest.mark.parametrize("command", ["api", "worker", "migrate", "up"])
def test_an_invalid_setting_is_one_line_with_its_name(command: str) -> None:
    refused = run_autos(command, AUTOS_COURT_CONCURRENCY="many")

    assert refused.returncode == 2
    assert refused.stderr.startswith("autos: AUTOS_COURT_CONCURRENCY: ")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["api"], ["simulator", "--port"]])
def test_a_port_in_use_is_one_line_of_error(command: list[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = [*command, port] if command[-1] == "--port" else command

        refused = run_autos(*arguments, AUTOS_API_PORT=port, AUTOS_DATA_DIR=str(tmp_path))

    assert refused.returncode == 2
    chosen_by = "AUTOS_API_HOST and AUTOS_API_PORT" if command == ["api"] else "--host and --port"
    assert refused.stderr == (
        f"autos: Cannot listen on 127.0.0.1 port {port}: Address already in use. {chosen_by} choose another.\n"
    )


def test_a_metrics_port_in_use_is_one_line_of_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        refused = run_autos("worker", AUTOS_METRICS_ADDRESS=address, AUTOS_DATA_DIR=str(tmp_path))

    assert refused.returncode == 2
    assert refused.stderr == f"autos: AUTOS_METRICS_ADDRESS: cannot listen on {address}: Address already in use.\n"


def test_migrate_stops_waiting_and_names_the_service_that_does_not_answer(tmp_path: Path) -> None:
    def migrate(folder: str, wait: str) -> subprocess.CompletedProcess[str]:
        variables = {"AUTOS_DATA_DIR": str(tmp_path / folder), "TEMPORAL_ADDRESS": "127.0.0.1:1"}
        return run_autos("migrate", "--wait", wait, **variables, AUTOS_LOG_LEVEL="error")

    # Not by the clock, which is also that of the tests beside this one.
    with ThreadPoolExecutor(1) as beside:
        patient = beside.submit(migrate, "patient", "9")
        refused = migrate("hasty", "1")
        assert not patient.done()

    assert refused.returncode == 5
    assert refused.stderr.splitlines()[-1] == "autos: Temporal does not answer at 127.0.0.1:1."
