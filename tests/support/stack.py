"""A whole local stack, started as a person starts it, and what tests do with it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.paths import CLI


def clean_environment(**variables: str) -> dict[str, str]:
    """Return the tests' environment without variables that change a stack's settings, plus these variables.

    Commands speak English, whatever the locale of the machine.
    """
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AUTOS_", "TEMPORAL_", "AWS_"))
    }
    return kept | {"AUTOS_LANG": "en"} | variables


@dataclass
class RunningStack:
    """A running stack.

    Attributes:
        addresses: what ``autos up --json`` printed: addresses, secrets and the services' PIDs.
        stderr: the file with what the stack wrote to standard error.
        simulator: a client of the simulated court.
    """

    addresses: dict[str, Any]
    data_dir: Path
    stderr: Path
    api: httpx2.AsyncClient
    simulator: httpx2.AsyncClient
    temporal: Client

    # What the simulated court has and does.

    async def create_process(self, number: str, documents: int, **settings: int | bool) -> None:
        """Create a process with so many documents at the simulated court, or replace it."""
        answer = await self.simulator.put(
            f"/_simulator/processes/{number}", json={"documents": documents, **settings}
        )
        answer.raise_for_status()

    async def order(self, number: str, kind: str, **details: int | bool | str) -> None:
        """Have something happen to a simulated process."""
        answer = await self.simulator.post(f"/_simulator/processes/{number}/orders", json={"kind": kind, **details})
        answer.raise_for_status()

    async def inject_fault(self, kind: str, number: str | None = None, **details: Any) -> str:
        """Make the court fail for one process, or for all if there is no number. Returns the fault's id."""
        answer = await self.simulator.post("/_simulator/faults", json={"kind": kind, "number": number, **details})
        answer.raise_for_status()
        return str(answer.json()["id"])

    async def end_fault(self, fault: str) -> None:
        """End one fault."""
        (await self.simulator.delete(f"/_simulator/faults/{fault}")).raise_for_status()

    async def end_all_faults(self) -> None:
        """End every fault."""
        (await self.simulator.delete("/_simulator/faults")).raise_for_status()

    async def set_latency(self, seconds: float) -> None:
        """Delay every answer of the court by so many seconds."""
        (await self.simulator.put("/_simulator/latency", json={"seconds": seconds})).raise_for_status()

    async def get_court_stats(self) -> dict[str, Any]:
        """Return what the court has counted, for example ``requests`` and ``documents_served``."""
        stats: dict[str, Any] = (await self.simulator.get("/_simulator/stats")).json()
        return stats

    async def reset_court_stats(self) -> None:
        """Make the court count from zero."""
        (await self.simulator.delete("/_simulator/stats")).raise_for_status()

    async def create_court_token(self, **details: Any) -> dict[str, Any]:
        """Have the court issue a token and a refresh token. The tokens before them become invalid."""
        answer = await self.simulator.post("/_simulator/token", json=details)
        issued: dict[str, Any] = answer.raise_for_status().json()
        return issued

    # What clients and operators do.

    async def put_credentials(self, **credentials: str) -> dict[str, Any]:
        """Hand credentials in, and return the court's status."""
        answer = await self.api.put("/court/credentials", json=credentials)
        body: dict[str, Any] = answer.raise_for_status().json()
        return body

    async def renew_credentials(self) -> None:
        """Give the deployment a token of the court that lasts."""
        await self.put_credentials(token=(await self.create_court_token())["token"])

    async def request_download(self, number: str, **query: str | int) -> httpx2.Response:
        """Request the download of a process."""
        return await self._ask(f"/processes/{number}", auto_download="true", **query)

    async def create_ended_run(self, documents: int, **settings: int | bool) -> str:
        """Create a process at the court and download it to the end of the run. Returns its number."""
        number = fresh_number()
        await self.create_process(number, documents, **settings)
        await self.request_download(number)
        await self.wait_until_ended(number)
        return number

    async def post_action(self, number: str, action: str) -> httpx2.Response:
        """Post an action of a process: ``retry``, ``pause``, ``resume`` or ``cancel``."""
        return await self.api.post(f"/processes/{number}/{action}")

    async def get_status(self, number: str) -> dict[str, Any]:
        """Return the status of a process."""
        body: dict[str, Any] = (await self._ask(f"/processes/{number}/status")).json()
        return body

    async def get_court_status(self) -> dict[str, Any]:
        """Return what the deployment knows about the court."""
        body: dict[str, Any] = (await self.api.get("/court/status")).json()
        return body

    async def list_documents(self, number: str) -> list[dict[str, Any]]:
        """Return every document of a process, from all pages."""
        documents: list[dict[str, Any]] = []
        address: str | None = f"/processes/{number}/documents"
        while address:
            page = (await self.api.get(address)).json()
            documents += page["documents"]
            address = page["documents_next"]
        return documents

    async def list_run_ids(self, number: str) -> list[str]:
        """Return the run id of every execution that Temporal has for a process."""
        listed: list[str] = []

        async def has_latest() -> bool:
            # Temporal lists an execution a moment after it has started.
            latest: str | None = None
            with suppress(RPCError):
                latest = (await self.temporal.get_workflow_handle(number).describe()).run_id
            listed[:] = [run.run_id async for run in self.temporal.list_workflows(f"WorkflowId = '{number}'")]
            return latest is None or latest in listed

        await eventually(has_latest, f"the latest execution of {number} is listed")
        return listed

    # What tests wait for.

    async def wait_until_ended(self, number: str, *, seconds: float = 60.0) -> dict[str, Any]:
        """Wait until the open run of a process has ended, and return the status then."""

        # Temporal pushes the result; polling the API would cost more than the run itself.
        with suppress(WorkflowFailureError, RPCError, TimeoutError):
            async with asyncio.timeout(seconds):
                await self.temporal.get_workflow_handle(number).result()

        async def ended() -> dict[str, Any] | None:
            status = await self.get_status(number)
            return status if status["status"] != "processing" else None

        return await eventually(ended, f"the end of the run for {number}", seconds=seconds)

    async def wait_until_available(self, number: str, count: int, *, seconds: float = 30.0) -> dict[str, Any]:
        """Wait until at least so many documents are available, and return the status then."""

        async def available() -> dict[str, Any] | None:
            status = await self.get_status(number)
            return status if status["available_documents"] >= count else None

        return await eventually(available, f"{count} documents of {number}", seconds=seconds)

    async def wait_until_phase(self, number: str, phase: str, *, seconds: float = 30.0) -> dict[str, Any]:
        """Wait until the run of a process is in a phase, and return the status then."""

        async def in_phase() -> dict[str, Any] | None:
            status = await self.get_status(number)
            return status if status["phase"] == phase else None

        return await eventually(in_phase, f"{number} is {phase}", seconds=seconds)

    async def wait_until_waiting_for_court(self, number: str, *, seconds: float = 30.0) -> dict[str, Any]:
        """Wait until the run of a process waits for the court, and return the status then."""
        return await self.wait_until_phase(number, "waiting_for_court", seconds=seconds)

    async def recover_court(self, *, seconds: float = 60.0) -> None:
        """Probe a court without faults, with a new token if needed, until the deployment finds it answering."""

        async def answering() -> bool:
            court = await self.get_court_status()
            if court["status"] == "answering":
                return True
            if court["failure"]["code"] == "credentials_rejected":
                token = (await self.create_court_token())["token"]
                await self.api.put("/court/credentials", json={"token": token})
            await self.temporal.get_workflow_handle("court").signal("probe")
            return False

        await eventually(answering, "the court is found answering", seconds=seconds)

    # The stack's services.

    def kill_service(self, service: str) -> None:
        """Kill a service with SIGKILL, as a power cut would."""
        os.kill(self.get_pid(service), signal.SIGKILL)

    def get_pid(self, service: str) -> int:
        """Return the present PID of a service: the first one, or that of its latest restart."""
        restarts = re.findall(
            rf'"service": "{service}".*?"pid": (\d+)|"pid": (\d+).*?"service": "{service}"', self.stderr.read_text()
        )
        return int(next(filter(None, restarts[-1]))) if restarts else int(self.addresses["pids"][service])

    async def _ask(self, path: str, **query: str | int) -> httpx2.Response:
        """Send a GET, again if Temporal was late: an API waits two seconds for it, which a busy machine misses."""

        async def answered() -> httpx2.Response | None:
            answer = await self.api.get(path, params=query)
            is_late = answer.status_code == 503 and answer.json()["code"] == "temporal_unavailable"
            return None if is_late else answer

        return await eventually(answered, f"an answer of {path}", seconds=60)


@asynccontextmanager
async def running_stack(folder: Path, **variables: str) -> AsyncIterator[RunningStack]:
    """Start ``autos up`` in a folder, and stop it as Ctrl-C does when the block ends."""
    data_dir, stderr = folder / "data", folder / "stderr.log"
    with stderr.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(CLI), "up", "--ephemeral-ports", "--json", "--data-dir", str(data_dir)),
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
            httpx2.AsyncClient(base_url=addresses["api"], timeout=60) as api,
            httpx2.AsyncClient(base_url=addresses["simulator"], timeout=60) as simulator,
        ):
            temporal = await Client.connect(addresses["temporal"])
            yield RunningStack(addresses, data_dir, stderr, api, simulator, temporal)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 30)


@contextmanager
def dead_service(stack: RunningStack, service: str, number: signal.Signals) -> Iterator[None]:
    """End a service with a signal, and keep the stack from starting it again until the block ends."""
    supervisor = psutil.Process(stack.addresses["pids"]["api"]).ppid()
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(stack.get_pid(service), number)
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)
