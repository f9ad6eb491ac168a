"""A whole local stack, as a person starts it, and the ways in that tests need."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from tests.support.conditions import eventually

ROOT = Path(__file__).parents[2]


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without what would change a stack's settings."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AUTOS_", "TEMPORAL_", "AWS_"))
    }
    return kept | variables


@dataclass
class RunningStack:
    """A stack that is up."""

    addresses: dict[str, Any]
    data_dir: Path
    stderr: Path
    api: httpx.AsyncClient
    simulator: httpx.AsyncClient
    temporal: Client

    async def prepare(self, number: str, documents: int, **settings: int | bool) -> None:
        """Make the court have a process with so many documents."""
        answer = await self.simulator.put(
            f"/_simulator/processes/{number}", json={"documents": documents, **settings}
        )
        answer.raise_for_status()

    async def fault(self, kind: str, number: str | None = None, **details: Any) -> str:
        """Make the court fail; gives the fault's id."""
        answer = await self.simulator.post("/_simulator/faults", json={"kind": kind, "number": number, **details})
        answer.raise_for_status()
        return str(answer.json()["id"])

    async def latency(self, seconds: float) -> None:
        """Make every answer of the court take so long."""
        (await self.simulator.put("/_simulator/latency", json={"seconds": seconds})).raise_for_status()

    async def forget_requests(self) -> None:
        """Begin counting at the court anew."""
        (await self.simulator.delete("/_simulator/stats")).raise_for_status()

    async def court(self) -> dict[str, Any]:
        """What the court has counted."""
        counted: dict[str, Any] = (await self.simulator.get("/_simulator/stats")).json()
        return counted

    async def request(self, number: str, **query: str | int) -> httpx.Response:
        """Ask for a download."""
        return await self.api.get(f"/processes/{number}", params={"auto_download": "true", **query})

    async def status(self, number: str) -> dict[str, Any]:
        """The process's status."""
        body: dict[str, Any] = (await self.api.get(f"/processes/{number}/status")).json()
        return body

    async def ended(self, number: str, *, seconds: float = 60.0) -> dict[str, Any]:
        """Wait for the end of the run that is open, and give the status then."""

        # Temporal tells by itself; asking the API over and over would cost more than what is waited for.
        with suppress(WorkflowFailureError, RPCError, TimeoutError):
            async with asyncio.timeout(seconds):
                await self.temporal.get_workflow_handle(number).result()

        async def closed() -> dict[str, Any] | None:
            status = await self.status(number)
            return status if status["status"] != "processing" else None

        return await eventually(closed, f"the end of the run for {number}", seconds=seconds)

    async def reaches(self, number: str, available: int, *, seconds: float = 30.0) -> dict[str, Any]:
        """Wait until so many documents are available."""

        async def reached() -> dict[str, Any] | None:
            status = await self.status(number)
            return status if status["available_documents"] >= available else None

        return await eventually(reached, f"{available} documents of {number}", seconds=seconds)

    async def documents(self, number: str) -> list[dict[str, Any]]:
        """Every document, over all pages."""
        found: list[dict[str, Any]] = []
        address: str | None = f"/processes/{number}/documents"
        while address:
            page = (await self.api.get(address)).json()
            found += page["documents"]
            address = page["documents_next"]
        return found

    async def runs(self, number: str) -> list[str]:
        """Every execution that Temporal has seen for a process, by its run id."""
        return [run.run_id async for run in self.temporal.list_workflows(f"WorkflowId = '{number}'")]

    async def end_fault(self, fault: str) -> None:
        """End one fault."""
        (await self.simulator.delete(f"/_simulator/faults/{fault}")).raise_for_status()

    async def waits(self, number: str, *, seconds: float = 30.0) -> dict[str, Any]:
        """Wait until the run waits for the court."""

        async def waiting() -> dict[str, Any] | None:
            status = await self.status(number)
            return status if status["phase"] == "waiting_for_court" else None

        return await eventually(waiting, f"{number} waits for the court", seconds=seconds)

    async def court_status(self) -> dict[str, Any]:
        """What the deployment knows of the court."""
        body: dict[str, Any] = (await self.api.get("/court/status")).json()
        return body

    async def recovered(self, *, seconds: float = 60.0) -> None:
        """Have a court that is well again probed until that is known."""

        async def well() -> bool:
            told = await self.court_status()
            if told["status"] == "answering":
                return True
            if told["failure"]["code"] == "credentials_rejected":
                granted = (await self.simulator.post("/_simulator/token")).raise_for_status().json()
                await self.api.put("/court/credentials", json={"token": granted["token"]})
            await self.temporal.get_workflow_handle("court").signal("probe")
            return False

        await eventually(well, "the court is found well", seconds=seconds)

    def kill(self, part: str) -> None:
        """Kill a part as a power cut would."""
        os.kill(self.pid(part), signal.SIGKILL)

    def pid(self, part: str) -> int:
        """The part's present process: the one announced, or the one that took its place."""
        again = re.findall(
            rf'"part": "{part}".*?"pid": (\d+)|"pid": (\d+).*?"part": "{part}"', self.stderr.read_text()
        )
        return int(next(filter(None, again[-1]))) if again else int(self.addresses["pids"][part])


@asynccontextmanager
async def running_stack(folder: Path, **variables: str) -> AsyncIterator[RunningStack]:
    """Start ``autos up`` in a folder, and stop it as Ctrl-C does."""
    data_dir, stderr = folder / "data", folder / "stderr.log"
    with stderr.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                str(ROOT / "cli.py"),
                "up",
                "--ephemeral-ports",
                "--json",
                "--data-dir",
                str(data_dir),
            ),
            cwd=folder,
            env=clean_environment(**variables),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        assert line, stderr.read_text()
        addresses = json.loads(line)
        async with (
            httpx.AsyncClient(base_url=addresses["api"], timeout=60) as api,
            httpx.AsyncClient(base_url=addresses["simulator"], timeout=60) as simulator,
        ):
            temporal = await Client.connect(addresses["temporal"])
            yield RunningStack(addresses, data_dir, stderr, api, simulator, temporal)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 30)
