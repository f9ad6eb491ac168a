"""The simulator as a process of its own: it stops when told, and another life answers the same."""

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

import httpx
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
def running(port: int) -> Iterator[subprocess.Popen[str]]:
    program = f"from simulator.server import serve; serve('127.0.0.1', {port}); print('stopped')"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            deadline = time.monotonic() + 15
            while child.poll() is None and time.monotonic() < deadline:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.01)
            yield child
        finally:
            child.kill()


def everything(port: int, token: str) -> list[bytes]:
    """The listing and every document that it names."""
    base = f"http://127.0.0.1:{port}/api/v2"
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(headers=headers, trust_env=False, verify=False) as client:
        listing = client.get(f"{base}/processos/{NUMBER}").raise_for_status()
        documents = listing.json()[0]["tramitacaoAtual"]["documentos"]
        answers = [client.get(base + document["hrefBinario"]) for document in documents]
        return [listing.content, *(answer.raise_for_status().content for answer in answers)]


def leave_in_the_middle(port: int, token: str) -> None:
    """Drop the connection inside a large document, which must leave no trace in the log."""
    origin = f"http://127.0.0.1:{port}"
    headers = {"Authorization": f"Bearer {token}"}
    number = "1000001-51.2026.8.11.0041"
    order = {"documents": 1, "size_bytes": 200_000_000}
    with httpx.Client(headers=headers, trust_env=False, verify=False) as client:
        answer = client.put(f"{origin}/_simulator/processes/{number}", json=order)
        (document_id,) = answer.json()["document_ids"]
        path = f"/api/v2/processos/{number}/documentos/{document_id}/binario"
        with client.stream("GET", origin + path) as document:
            next(document.iter_raw())


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_another_life_serves_the_same_and_takes_the_tokens_of_the_former(
    stop: signal.Signals,
) -> None:
    port = free_port()
    with running(port) as child:
        url = f"http://127.0.0.1:{port}/_simulator/token"
        token = httpx.post(url, trust_env=False, verify=False).json()["token"]
        before = everything(port, token)
        leave_in_the_middle(port, token)
        began = time.monotonic()
        child.send_signal(stop)
        output, errors = child.communicate(timeout=5)
        assert (child.returncode, output, errors) == (0, "stopped\n", "")
        assert time.monotonic() - began < 2
    with running(port):
        assert everything(port, token) == before


def ordered(port: int, method: str, path: str, body: object) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}/_simulator{path}"
    answer = httpx.request(method, url, json=body, trust_env=False, verify=False).raise_for_status()
    content: dict[str, Any] = answer.json()
    return content


@contextmanager
def asking(port: int, path: str) -> Iterator[socket.socket]:
    """A connection over which that path of the portal was asked for."""
    token = ordered(port, "POST", "/token", {})["token"]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(f"GET /api/v2{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        yield client


@pytest.mark.parametrize("stall", ["inside an answer", "before an answer", "a client that reads nothing"])
def test_it_ends_at_once_however_long_an_answer_stalls(stall: str) -> None:
    port = free_port()
    with running(port) as child:
        path = large_document(port)
        if stall == "inside an answer":
            ordered(port, "POST", "/faults", {"kind": "slow", "delay_seconds": 3600})
        elif stall == "before an answer":
            ordered(port, "PUT", "/latency", {"seconds": 3600})
        with asking(port, path) as client:
            if stall == "inside an answer":
                assert client.recv(12) == b"HTTP/1.1 200"
            wait_until(lambda: ordered(port, "GET", "/stats", None)["max_concurrent"] == 1)
            began = time.monotonic()
            child.send_signal(signal.SIGTERM)
            output, errors = child.communicate(timeout=10)
    assert (child.returncode, output, errors) == (0, "stopped\n", "")
    assert time.monotonic() - began < 1.5


def test_a_gibibyte_passes_through_little_memory_whatever_goes_wrong() -> None:
    port = free_port()
    with running(port) as child:
        path = large_document(port)
        idle = highest = psutil.Process(child.pid).memory_info().rss
        received = {}
        for kind in ("slow", "truncated", "reset"):
            terms = {"delay_seconds": 0.001} if kind == "slow" else {}
            ordered(port, "POST", "/faults", {"kind": kind, "times": 1, **terms})
            with asking(port, path) as client:
                received[kind], peak = swallow(client, GIBIBYTE, child.pid)
            highest = max(highest, peak)
    assert received["slow"] == GIBIBYTE
    assert received["truncated"] == GIBIBYTE // 2
    assert GIBIBYTE // 4 < received["reset"] <= GIBIBYTE // 2
    assert highest - idle < 32 * 1024**2


def large_document(port: int) -> str:
    """The path of a document of a gibibyte."""
    number = "1000002-36.2026.8.11.0041"
    order = {"documents": 1, "size_bytes": GIBIBYTE}
    (document_id,) = ordered(port, "PUT", f"/processes/{number}", order)["document_ids"]
    return f"/processos/{number}/documentos/{document_id}/binario"


def swallow(client: socket.socket, most: int, pid: int) -> tuple[int, int]:
    """Read an answer to its announced end or the connection's: the length of the body, and the server's memory."""
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


def wait_until(true: Callable[[], bool]) -> None:
    """Ask until it is so."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline


def test_a_taken_port_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with running(taken.getsockname()[1]) as child:
            _, errors = child.communicate(timeout=10)
    assert child.returncode != 0
    assert len(errors.splitlines()) == 1
    assert "address already in use" in errors


def test_who_comes_before_a_server_in_the_tests_accepts_is_kept_waiting() -> None:
    with bound_socket() as listener, socket.create_connection(listener.getsockname(), timeout=5) as early:
        accepted, address = listener.accept()
        accepted.close()
        assert address == early.getsockname()
