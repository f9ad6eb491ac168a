"""A further API process over a running stack's catalog, store and Temporal, with settings of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.support.conditions import eventually
from tests.support.ports import bound_socket
from tests.support.stack import ROOT, RunningStack, clean_environment


@asynccontextmanager
async def another_api(stack: RunningStack, **variables: str) -> AsyncIterator[str]:
    """Run ``autos api`` for as long as the block lasts; gives its address."""
    with bound_socket() as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "cli.py"), "api"),
        env=clean_environment(
            **{
                "AUTOS_DATA_DIR": str(stack.data_dir),
                "AUTOS_API_PORT": str(port),
                "AUTOS_PUBLIC_URL": url,
                "TEMPORAL_ADDRESS": stack.addresses["temporal"],
                **variables,
            }
        ),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=url) as api:

            async def alive() -> bool:
                try:
                    return (await api.get("/health/live")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(alive, "the further API")
        yield url
    finally:
        process.terminate()
        await process.wait()
