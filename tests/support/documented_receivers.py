"""The example receivers of docs/webhooks.md, extracted from the page and run as it says."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.support.conditions import eventually
from tests.support.paths import ROOT
from tests.support.ports import bound_socket
from tests.support.signed_deliveries import SignedDelivery

PAGE = (ROOT / "docs" / "webhooks.md").read_text()


@dataclass(frozen=True)
class DocumentedReceiver:
    """A running receiver.

    Attributes:
        url: where it receives events.
        inbox: the folder in which it stores them.
        output: the file with what it printed.
        processes_events: whether it also processes events itself, and prints each.
    """

    url: str
    inbox: Path
    output: Path
    processes_events: bool

    async def send(self, delivery: SignedDelivery) -> int:
        """Send it a delivery, and return the status of its answer."""
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as client:
            return (await client.post(self.url, headers=delivery.headers, content=delivery.body)).status_code

    def read_inbox(self) -> dict[str, bytes]:
        """Return the events that it has stored, by their ids."""
        return {path.stem: path.read_bytes() for path in self.inbox.iterdir()}


def extract_program(heading: str, language: str) -> str:
    """Return the one program below a heading of the page."""
    (section,) = re.findall(rf"^### {heading}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    (program,) = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return str(program)


@asynccontextmanager
async def python_receiver(folder: Path, secret: str) -> AsyncIterator[DocumentedReceiver]:
    """Run the receiver in Python."""
    (folder / "receiver.py").write_text(extract_program("Python", "python"))
    async with _running(folder, secret, *_uvicorn("receiver:app")) as receiver:
        yield receiver


@asynccontextmanager
async def node_receiver(folder: Path, secret: str) -> AsyncIterator[DocumentedReceiver]:
    """Run the receiver for Node with the version of the library that the page names.

    The test is skipped where node or npm is missing, except in CI.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing = "The receiver for Node needs the programs node and npm (Debian: apt-get install nodejs npm)."
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    (package,) = re.findall(r"`npm install (\S+)`", PAGE)
    install = await asyncio.create_subprocess_exec(
        *(npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", package),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(install.communicate(), 100)
    assert install.returncode == 0, output.decode()
    (folder / "receiver.mjs").write_text(extract_program("Node", "javascript"))
    async with _running(folder, secret, node, "receiver.mjs") as receiver:
        yield receiver


@asynccontextmanager
async def openssl_receiver(folder: Path, secret: str) -> AsyncIterator[DocumentedReceiver]:
    """Run the shell script behind a server that speaks CGI."""
    program = folder / "receiver.sh"
    program.write_text(extract_program("OpenSSL alone", "bash"))
    program.chmod(0o700)
    async with _running(
        folder, secret, *_uvicorn("tests.support.cgi_server:app"), CGI_PROGRAM=str(program)
    ) as receiver:
        yield receiver


def _uvicorn(app: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "uvicorn", app, "--host", "127.0.0.1", "--log-level", "warning", "--port")


@asynccontextmanager
async def _running(folder: Path, secret: str, *command: str, **variables: str) -> AsyncIterator[DocumentedReceiver]:
    inbox, output = folder / "inbox", folder / "output.log"
    inbox.mkdir()
    with bound_socket() as probe:
        port = probe.getsockname()[1]
    variables |= {"WEBHOOK_SECRET": secret, "INBOX": str(inbox), "PORT": str(port)}
    with output.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            *([str(port)] if command[-1] == "--port" else []),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            stdout=log,
            stderr=log,
        )
    try:

        async def listens() -> bool:
            assert process.returncode is None, output.read_text()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return False
            writer.close()
            await writer.wait_closed()
            return True

        await eventually(listens, f"{command} listens")
        # A CGI program ends with its response, so it processes nothing afterwards.
        processes_events = "CGI_PROGRAM" not in variables
        yield DocumentedReceiver(f"http://127.0.0.1:{port}/webhook", inbox, output, processes_events)
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)
