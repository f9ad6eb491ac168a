"""An API process by itself, with no part behind it: enough for everything that is decided before a route."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.support.conditions import eventually
from tests.support.ports import bound_socket
from tests.support.stack import ROOT, clean_environment


@dataclass(frozen=True)
class LoneApi:
    """Where the process listens, and which it is."""

    port: int
    pid: int
    stderr: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def memory_bytes(self) -> int:
        """Return the memory that the process holds now (RSS)."""
        return int(psutil.Process(self.pid).memory_info().rss)


@asynccontextmanager
async def lone_api(folder: Path, **variables: str) -> AsyncIterator[LoneApi]:
    """Run ``autos api`` in a folder for as long as the block lasts."""
    with bound_socket() as free:
        port = free.getsockname()[1]
    stderr = folder / "stderr.log"
    with stderr.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "cli.py"), "api"),
            cwd=folder,
            env=clean_environment(
                **{
                    "AUTOS_DATA_DIR": str(folder),
                    "AUTOS_API_PORT": str(port),
                    # Needed to sign links; nothing here gets as far.
                    "AUTOS_S3_ACCESS_KEY_ID": "nobody",
                    "AUTOS_S3_SECRET_ACCESS_KEY": "nothing",
                    **variables,
                }
            ),
            stderr=log,
        )
    api = LoneApi(port, process.pid, stderr)
    try:
        async with httpx.AsyncClient(base_url=api.url, trust_env=False) as client:

            async def alive() -> bool:
                try:
                    return (await client.get("/health/live")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(alive, "the API by itself")
        yield api
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)
