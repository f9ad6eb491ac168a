"""The receivers of docs/webhooks.md, copied from the page and started as it says."""

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

import httpx
import pytest

from tests.support.conditions import eventually
from tests.support.ports import bound_socket
from tests.support.sent_events import SentEvent
from tests.support.stack import ROOT

PAGE = (ROOT / "docs" / "webhooks.md").read_text()


@dataclass(frozen=True)
class CopiedReceiver:
    """A receiver that is up.

    Attributes:
        url: where it takes events.
        inbox: the folder in which it keeps them.
        said: the file that has what it printed.
        works: it works on events itself, and prints what it works on.
    """

    url: str
    inbox: Path
    said: Path
    works: bool

    async def take(self, sent: SentEvent) -> int:
        """Send it an event; the status that it answers."""
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.post(self.url, headers=sent.headers, content=sent.body)).status_code

    def kept(self) -> dict[str, bytes]:
        """What it has kept, by the event's id."""
        return {path.stem: path.read_bytes() for path in self.inbox.iterdir()}


def copied(heading: str, language: str) -> str:
    """The one program below a heading of the page."""
    (section,) = re.findall(rf"^### {heading}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    (program,) = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return str(program)


@asynccontextmanager
async def python_receiver(folder: Path, secret: str) -> AsyncIterator[CopiedReceiver]:
    """The one in Python."""
    (folder / "receiver.py").write_text(copied("Python", "python"))
    async with _started(folder, secret, *_uvicorn("receiver:app")) as receiver:
        yield receiver


@asynccontextmanager
async def node_receiver(folder: Path, secret: str) -> AsyncIterator[CopiedReceiver]:
    """The one for Node, with the very version of the library that the page names."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing = "The receiver for Node needs node and npm (Debian: apt-get install nodejs npm)."
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    (package,) = re.findall(r"`npm install (\S+)`", PAGE)
    install = await asyncio.create_subprocess_exec(
        *(npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", package),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(install.communicate(), 60)
    assert install.returncode == 0, output.decode()
    (folder / "receiver.mjs").write_text(copied("Node", "javascript"))
    async with _started(folder, secret, node, "receiver.mjs") as receiver:
        yield receiver


@asynccontextmanager
async def openssl_receiver(folder: Path, secret: str) -> AsyncIterator[CopiedReceiver]:
    """The script, behind a server that speaks CGI."""
    program = folder / "receiver.sh"
    program.write_text(copied("OpenSSL alone", "bash"))
    program.chmod(0o700)
    async with _started(folder, secret, *_uvicorn("tests.support.cgi:app"), CGI_PROGRAM=str(program)) as receiver:
        yield receiver


def _uvicorn(app: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "uvicorn", app, "--host", "127.0.0.1", "--log-level", "warning", "--port")


@asynccontextmanager
async def _started(folder: Path, secret: str, *command: str, **variables: str) -> AsyncIterator[CopiedReceiver]:
    inbox, said = folder / "inbox", folder / "said.log"
    inbox.mkdir()
    with bound_socket() as free:
        port = free.getsockname()[1]
    variables |= {"WEBHOOK_SECRET": secret, "INBOX": str(inbox), "PORT": str(port)}
    with said.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            *([str(port)] if command[-1] == "--port" else []),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            stdout=output,
            stderr=output,
        )
    try:

        async def up() -> bool:
            assert process.returncode is None, said.read_text()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return False
            writer.close()
            await writer.wait_closed()
            return True

        await eventually(up, f"{command} listens")
        # A program for CGI ends with its answer.
        yield CopiedReceiver(f"http://127.0.0.1:{port}/webhook", inbox, said, works="CGI_PROGRAM" not in variables)
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)
