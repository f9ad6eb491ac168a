"""When `autos up` cannot start: one line of error, and nothing left running."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.e2e.devstack.conftest import list_pids_naming, run_autos


def test_a_port_in_use_is_one_line_of_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        refused = run_autos("up", "--data-dir", str(tmp_path), AUTOS_API_PORT=str(port))

    assert refused.returncode == 2
    assert refused.stderr == (
        f"autos: Port {port}, which is for the API, is in use: set AUTOS_API_PORT, "
        "or start with --ephemeral-ports.\n"
    )


def test_a_missing_program_is_one_line_of_error(tmp_path: Path) -> None:
    refused = run_autos(
        "up", "--data-dir", str(tmp_path), "--ephemeral-ports", AUTOS_WEED_BIN=str(tmp_path / "weed")
    )

    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "is missing: install autos with its extra [local]" in refused.stderr


def test_a_folder_that_cannot_be_created_is_one_line_of_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    refused = run_autos("up", "--data-dir", str(tmp_path / "file"), "--ephemeral-ports")

    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "cannot be written" in refused.stderr
    assert "--data-dir" in refused.stderr


def test_a_service_that_does_not_start_stops_the_others_and_is_one_line_of_error(tmp_path: Path) -> None:
    broken = tmp_path / "temporal"
    broken.write_text("#!/bin/sh\necho 'the database is from the future' >&2\nexit 3\n")
    broken.chmod(0o755)

    refused = run_autos(
        "up", "--data-dir", str(tmp_path / "data"), "--ephemeral-ports", AUTOS_TEMPORAL_BIN=str(broken)
    )

    assert refused.returncode == 7
    assert refused.stderr.splitlines()[-1].startswith(
        "autos: temporal ended with exit code 3 before it was ready. Its log, "
    )
    assert "the database is from the future" in refused.stderr
    assert not list_pids_naming(tmp_path)
