"""A browser, and an API with keys beside the one without."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.async_api import Browser

from adapters.database import Catalog, Database
from adapters.sealing import Seal
from domain.clients import Scope
from settings import load_settings
from tests.support.browser import chromium
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.ports import bound_socket
from tests.support.stack import ROOT, RunningStack, clean_environment

OPERATORS_KEY = "the operator's key, of the settings"


@dataclass(frozen=True)
class KeyedApi:
    """An API that asks for keys, over a copy of the stack's catalog: in the stack's own nobody needs any."""

    base: str
    catalog: Catalog

    async def key(self, name: str, *scopes: Scope) -> tuple[str, str]:
        """A new key with these scopes, and its id."""
        made = await self.catalog.clients.add_key(name, frozenset(scopes), None)
        return made.text, made.record.id


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser that all visitors of the session share."""
    async with chromium() as running:
        yield running


@pytest.fixture(scope="session")
async def keyed_process(shared_stack: RunningStack) -> str:
    """A process of which everything is stored, and two of its four documents are not public."""
    number = fresh_number()
    await shared_stack.prepare(number, 4, secret_documents=2)
    await shared_stack.request(number)
    await shared_stack.ended(number)
    return number


@pytest.fixture(scope="session")
async def keyed(
    shared_stack: RunningStack, keyed_process: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[KeyedApi]:
    """An API with keys that knows what the stack knows by now."""
    copy = tmp_path_factory.mktemp("keyed") / "autos.db"
    with sqlite3.connect(shared_stack.data_dir / "autos.db") as original:
        original.execute("VACUUM INTO ?", (str(copy),))
    original.close()
    with bound_socket() as free:
        port = free.getsockname()[1]
    url = f"sqlite:///{copy}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "cli.py"), "api"),
        env=clean_environment(
            AUTOS_DATA_DIR=str(shared_stack.data_dir),
            AUTOS_DATABASE_URL=url,
            AUTOS_API_PORT=str(port),
            AUTOS_API_KEY=OPERATORS_KEY,
            TEMPORAL_ADDRESS=shared_stack.addresses["temporal"],
        ),
        stderr=asyncio.subprocess.DEVNULL,
    )
    settings = load_settings(data_dir=shared_stack.data_dir, database_url=url)
    catalog = Catalog(Database(settings.effective_database_url), Seal(settings.secret_keys))
    api = KeyedApi(f"http://127.0.0.1:{port}", catalog)
    try:

        async def up() -> bool:
            async with httpx.AsyncClient() as client:
                try:
                    return (await client.get(f"{api.base}/health/live")).status_code == 200
                except httpx.TransportError:
                    return False

        await eventually(up, "the API with keys")
        yield api
    finally:
        process.terminate()
        await process.wait()
        await catalog.close()
