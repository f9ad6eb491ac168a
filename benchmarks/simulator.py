"""How many requests per second the simulator serves: ``python -m benchmarks.simulator [--seconds N]``.

The simulator runs as a separate program, and this one is its only client: sixteen keep-alive connections, each with
one request in flight. The client's protocol parses only the status and the length, so that it costs as little CPU
as possible. Two rates are measured, of listings (31 documents) and of binaries (2 kB), each over ``--seconds``
(default 5) after a second of warm-up. The exit code is 0 if both meet their budget.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import psutil

from benchmarks.measurement import CannotMeasure

_HOST = "127.0.0.1"
_CONNECTIONS = 16
_WARM_UP_SECONDS = 1.0
_START_SECONDS = 20.0
_LISTED = "1011745-77.2025.8.11.0041"
_SMALL = "1000001-51.2026.8.11.0041"
_SMALL_BYTES = 2_000
_LENGTH = re.compile(rb"content-length: (\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RateBudget:
    """A path to request, and the required responses per second."""

    what: str
    path: str
    per_second: int


class _Client(asyncio.Protocol):
    """Sends one request after another over one connection, and counts the complete responses."""

    def __init__(self, request: bytes) -> None:
        self.completed = 0
        self.failed: str | None = None
        self._request = request
        self._head = b""
        self._missing_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._missing_bytes:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._head)
            if length is None or not self._head.startswith(b"HTTP/1.1 200"):
                self._fail(self._head[:60].decode("latin-1"))
                return
            self._missing_bytes = end + 4 + int(length[1]) - len(self._head)
            self._head = b""
        else:
            self._missing_bytes -= len(data)
        if not self._missing_bytes:
            self.completed += 1
            self._transport.write(self._request)

    def connection_lost(self, error: Exception | None) -> None:
        self.failed = self.failed or f"the connection ended: {error}"

    def _fail(self, reason: str) -> None:
        self.failed = reason
        self._transport.close()


async def _measure_rate(port: int, token: str, path: str, seconds: float) -> float:
    """Return the responses per second."""
    request = f"GET {path} HTTP/1.1\r\nHost: {_HOST}:{port}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    clients: list[_Client] = []
    with contextlib.ExitStack() as connections:
        for _ in range(_CONNECTIONS):
            transport, client = await loop.create_connection(lambda: _Client(request), _HOST, port)
            connections.callback(transport.abort)
            clients.append(client)
        await asyncio.sleep(_WARM_UP_SECONDS)
        before, began = sum(client.completed for client in clients), time.perf_counter()
        await asyncio.sleep(seconds)
        after, ended = sum(client.completed for client in clients), time.perf_counter()
        if failures := {client.failed for client in clients if client.failed}:
            raise CannotMeasure(f"{path}: {', '.join(sorted(failures))}")
    return (after - before) / (ended - began)


@contextlib.contextmanager
def _run_simulator() -> Iterator[tuple[int, int]]:
    """Run a simulator until the block is left. Yields its port and its PID once it listens."""
    with subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, "-c", f"from simulator.server import serve; serve('{_HOST}', 0)"],
    ) as program:
        try:
            yield _wait_for_port(program), program.pid
        finally:
            program.terminate()


def _wait_for_port(program: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while program.poll() is None and time.monotonic() < deadline:
        for connection in psutil.Process(program.pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                return int(connection.laddr.port)
        time.sleep(0.02)
    raise CannotMeasure("the simulator did not start")


def _control(port: int, method: str, path: str, body: object) -> dict[str, object]:
    with contextlib.closing(http.client.HTTPConnection(_HOST, port, timeout=10)) as connection:
        connection.request(method, f"/_simulator{path}", json.dumps(body))
        response: dict[str, object] = json.loads(connection.getresponse().read())
        return response


def _list_budgets(port: int) -> tuple[RateBudget, ...]:
    created = _control(port, "PUT", f"/processes/{_SMALL}", {"documents": 1, "size_bytes": _SMALL_BYTES})
    (document_id,) = cast("list[str]", created["document_ids"])
    portal = "/api/v2/processos"
    return (
        RateBudget("listings of 31 documents", f"{portal}/{_LISTED}", 500),
        RateBudget(
            f"binaries of {_SMALL_BYTES} bytes", f"{portal}/{_SMALL}/documentos/{document_id}/binario", 2_000
        ),
    )


def main() -> int:
    """Measure both rates and print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each rate is measured")
    seconds = parser.parse_args().seconds
    met = True
    with _run_simulator() as (port, pid):
        token = str(_control(port, "POST", "/token", {})["token"])
        for budget in _list_budgets(port):
            rate = asyncio.run(_measure_rate(port, token, budget.path, seconds))
            met = met and rate >= budget.per_second
            print(f"{budget.what:26} {rate:8,.0f} per second   (budget ≥ {budget.per_second:,})")
        print(f"{'memory of the simulator':26} {psutil.Process(pid).memory_info().rss / 2**20:8.0f} MiB")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
