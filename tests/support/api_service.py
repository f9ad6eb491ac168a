"""``autos api`` as a service of its own, alone or beside a running stack."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

from tests.support.conditions import eventually
from tests.support.paths import CLI
from tests.support.ports import bound_socket
from tests.support.stack import RunningStack, clean_environment


@dataclass(frozen=True)
class ApiService:
    """A running API."""

    port: int
    process: asyncio.subprocess.Process
    stderr: Path

    @property
    def url(self) -> str:
        """The API's origin."""
        return f"http://127.0.0.1:{self.port}"

    def memory_bytes(self) -> int:
        """Return the memory that the API holds now (RSS)."""
        return int(psutil.Process(self.process.pid).memory_info().rss)


@asynccontextmanager
async def running_lone_api(folder: Path, **variables: str) -> AsyncIterator[ApiService]:
    """Run an API with no other service behind it: enough for everything that is decided before a route."""
    settings = {
        "AUTOS_DATA_DIR": str(folder),
        # Needed to sign links; no test of this API gets that far.
        "AUTOS_S3_ACCESS_KEY_ID": "nobody",
        "AUTOS_S3_SECRET_ACCESS_KEY": "nothing",
    }
    async with _running_api(folder, settings | variables) as api:
        yield api


@asynccontextmanager
async def running_api_beside(stack: RunningStack, **variables: str) -> AsyncIterator[ApiService]:
    """Run one more API over a stack's catalog, store and Temporal, with settings of its own."""
    settings = {"AUTOS_DATA_DIR": str(stack.data_dir), "TEMPORAL_ADDRESS": stack.addresses["temporal"]}
    async with _running_api(stack.data_dir.parent, settings | variables) as api:
        yield api


@asynccontextmanager
async def _running_api(folder: Path, variables: dict[str, str]) -> AsyncIterator[ApiService]:
    with bound_socket() as probe:
        port = probe.getsockname()[1]
    own = {"AUTOS_API_PORT": str(port), "AUTOS_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    stderr = folder / f"api-{port}.log"
    with stderr.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(CLI), "api"), cwd=folder, env=clean_environment(**(own | variables)), stderr=log
        )
    api = ApiService(port, process, stderr)
    try:
        async with httpx2.AsyncClient(base_url=api.url, timeout=60, trust_env=False) as client:

            async def answers() -> bool:
                assert process.returncode is None, stderr.read_text()
                try:
                    return (await client.get("/health/live")).status_code == 200
                except httpx2.TransportError:
                    return False

            await eventually(answers, "the API answers", seconds=90)
        yield api
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 30)
