"""The simulator as a program: it stops on a signal, and responds the same after a restart."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import psutil
import pytest

from tests.support.ports import bound_socket

NUMBER = "9999999-59.2025.8.11.0041"
GIBIBYTE = 1024**3


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def run_simulator(port: int) -> Iterator[subprocess.Popen[str]]:
    program = f"from simulator.server import serve; serve('127.0.0.1', {port}); print('stopped')"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            deadline = time.monotonic() + 60
            while child.poll() is None and time.monotonic() < deadline:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.01)
            yield child
        finally:
            child.kill()


def download_everything(port: int, token: str) -> list[bytes]:
    """Return the listing and every document in it."""
    base = f"http://127.0.0.1:{port}/api/v2"
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(headers=headers, timeout=60, trust_env=False, verify=False) as client:
        listing = client.get(f"{base}/processos/{NUMBER}").raise_for_status()
        documents = listing.json()[0]["tramitacaoAtual"]["documentos"]
        answers = [client.get(base + document["hrefBinario"]) for document in documents]
        return [listing.content, *(answer.raise_for_status().content for answer in answers)]


def disconnect_during_a_download(port: int, token: str) -> None:
    """Disconnect during a large document, which must not be logged."""
    origin = f"http://127.0.0.1:{port}"
    headers = {"Authorization": f"Bearer {token}"}
    number = "1000001-51.2026.8.11.0041"
    shape = {"documents": 1, "size_bytes": 200_000_000}
    with httpx2.Client(headers=headers, timeout=60, trust_env=False, verify=False) as client:
        answer = client.put(f"{origin}/_simulator/processes/{number}", json=shape)
        (document_id,) = answer.json()["document_ids"]
        path = f"/api/v2/processos/{number}/documentos/{document_id}/binario"
        with client.stream("GET", origin + path) as document:
            next(document.iter_raw())


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_after_a_restart_documents_and_tokens_are_the_same(
    stop: signal.Signals,
) -> None:
    port = free_port()
    with run_simulator(port) as child:
        url = f"http://127.0.0.1:{port}/_simulator/token"
        token = httpx2.post(url, timeout=60, trust_env=False, verify=False).json()["token"]
        before = download_everything(port, token)
        disconnect_during_a_download(port, token)
        began = time.monotonic()
        child.send_signal(stop)
        output, errors = child.communicate(timeout=60)
        assert (child.returncode, output, errors) == (0, "stopped\n", "")
        assert time.monotonic() - began < 2
    with run_simulator(port):
        assert download_everything(port, token) == before


def send_control(port: int, method: str, path: str, body: object) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}/_simulator{path}"
    answer = httpx2.request(method, url, json=body, timeout=60, trust_env=False, verify=False).raise_for_status()
    content: dict[str, Any] = answer.json()
    return content


@contextmanager
def open_request(port: int, path: str) -> Iterator[socket.socket]:
    """Send a request for a path of the portal. Yields the connection, without reading the response."""
    token = send_control(port, "POST", "/token", {})["token"]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(f"GET /api/v2{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        yield client


@pytest.mark.parametrize("stall", ["inside an answer", "before an answer", "a client that reads nothing"])
def test_it_stops_at_once_during_a_stalled_response(stall: str) -> None:
    port = free_port()
    with run_simulator(port) as child:
        path = create_large_document(port)
        if stall == "inside an answer":
            send_control(port, "POST", "/faults", {"kind": "slow", "delay_seconds": 3600})
        elif stall == "before an answer":
            send_control(port, "PUT", "/latency", {"seconds": 3600})
        with open_request(port, path) as client:
            if stall == "inside an answer":
                assert client.recv(12) == b"HTTP/1.1 200"
            wait_until(lambda: send_control(port, "GET", "/stats", None)["max_concurrent"] == 1)
            began = time.monotonic()
            child.send_signal(signal.SIGTERM)
            output, errors = child.communicate(timeout=60)
    assert (child.returncode, output, errors) == (0, "stopped\n", "")
    assert time.monotonic() - began < 1.5


def test_a_gibibyte_is_sent_with_little_memory_even_with_faults() -> None:
    port = free_port()
    with run_simulator(port) as child:
        path = create_large_document(port)
        idle = highest = psutil.Process(child.pid).memory_info().rss
        received = {}
        for kind in ("slow", "truncated", "reset"):
            terms = {"delay_seconds": 0.001} if kind == "slow" else {}
            send_control(port, "POST", "/faults", {"kind": kind, "times": 1, **terms})
            with open_request(port, path) as client:
                received[kind], peak = read_response(client, GIBIBYTE, child.pid)
            highest = max(highest, peak)
    assert received["slow"] == GIBIBYTE
    assert received["truncated"] == GIBIBYTE // 2
    assert GIBIBYTE // 4 < received["reset"] <= GIBIBYTE // 2
    assert highest - idle < 32 * 1024**2


def create_large_document(port: int) -> str:
    """Create a document of 1 GiB. Returns its path."""
    number = "1000002-36.2026.8.11.0041"
    shape = {"documents": 1, "size_bytes": GIBIBYTE}
    (document_id,) = send_control(port, "PUT", f"/processes/{number}", shape)["document_ids"]
    return f"/processos/{number}/documentos/{document_id}/binario"


def read_response(client: socket.socket, most: int, pid: int) -> tuple[int, int]:
    """Read a response until its announced end, or until the connection ends.

    Returns:
        The length of the body, and the server's peak memory in bytes.
    """
    server = psutil.Process(pid)
    buffer = bytearray(1024**2)
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(1024)
    body = len(head.partition(b"\r\n\r\n")[2])
    announced = re.search(rb"content-length: (\d+)", head)
    assert announced is not None
    end = min(most, int(announced[1]))
    memory = 0
    try:
        while body < end and (length := client.recv_into(buffer)):
            body += length
            memory = max(memory, server.memory_info().rss)
    except ConnectionResetError:
        pass
    return body, memory


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with run_simulator(taken.getsockname()[1]) as child:
            _, errors = child.communicate(timeout=60)
    assert child.returncode != 0
    assert len(errors.splitlines()) == 1
    assert "address already in use" in errors


def test_a_client_that_connects_before_a_test_server_accepts_is_queued() -> None:
    with bound_socket() as listener, socket.create_connection(listener.getsockname(), timeout=5) as early:
        accepted, address = listener.accept()
        accepted.close()
        assert address == early.getsockname()
