"""The simulator as a process of its own: it stops when told, and another life answers the same."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

NUMBER = "9999999-59.2025.8.11.0041"


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
        assert time.monotonic() - began < 3
    with running(port):
        assert everything(port, token) == before


def test_a_taken_port_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with running(taken.getsockname()[1]) as child:
            _, errors = child.communicate(timeout=10)
    assert child.returncode != 0
    assert len(errors.splitlines()) == 1
    assert "address already in use" in errors
