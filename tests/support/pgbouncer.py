"""A real PgBouncer in transaction mode in front of the tests' Postgres."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.database.urls import engine_arguments
from tests.support.ports import bound_socket

_DEADLINE_SECONDS = 60


@contextmanager
def running_pgbouncer(server_url: str, *, servers: int = 2) -> Iterator[str]:
    """Run a PgBouncer, and yield its address; skip the test where there is none, except in CI.

    It has few connections to the server, so that the transactions of one client run on different ones.
    """
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        missing = "The tests of poolers need the program pgbouncer (Debian: apt-get install pgbouncer)."
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    server = engine_arguments(server_url).connect_args
    with tempfile.TemporaryDirectory(prefix="autos-pgb-") as folder:
        with bound_socket() as probe:
            port = probe.getsockname()[1]
        users = Path(folder) / "users.txt"
        users.write_text(f'"{server["user"]}" ""\n')
        configuration = Path(folder) / "pgbouncer.ini"
        configuration.write_text(
            f"""
            [databases]
            * = host={server["host"][0]}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {port}
            unix_socket_dir =
            auth_type = trust
            auth_file = {users}
            pool_mode = transaction
            default_pool_size = {servers}
            server_round_robin = 1
            max_client_conn = 200
            logfile = {folder}/log
            """.replace("            ", "")
        )
        command = [program, "-q", str(configuration)]
        if os.getuid() == 0:
            # PgBouncer refuses to run as root. The server's user may enter the folder of the server's socket.
            owner = Path(server["host"][0]).owner()
            _change_owner(owner, Path(folder))
            command[1:1] = ["-u", owner]
        bouncer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_until_listening(port, bouncer)
            yield f"postgresql://{server['user']}@127.0.0.1:{port}/{server['database']}"
        finally:
            bouncer.terminate()
            bouncer.wait(10)


def _change_owner(name: str, folder: Path) -> None:
    owner = pwd.getpwnam(name).pw_uid
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner, -1)


def _wait_until_listening(port: int, bouncer: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert bouncer.poll() is None, "PgBouncer did not start."
            assert time.monotonic() < deadline, "PgBouncer does not listen."
        time.sleep(0.02)
