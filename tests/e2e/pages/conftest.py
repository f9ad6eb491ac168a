"""Fixtures of the page tests: a browser, and an API that requires keys beside the stack without keys."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser

from adapters.database import Catalog, Database
from adapters.security.encryption import Encryptor
from domain.clients import Scope
from settings import load_settings
from tests.support.api_service import running_api_beside
from tests.support.browser import chromium
from tests.support.stack import RunningStack

OPERATORS_KEY = "the operator's key, of the settings"


@dataclass(frozen=True)
class KeyedApi:
    """An API that requires keys, over a copy of the stack's catalog, since the stack itself must have no keys."""

    base: str
    catalog: Catalog

    async def create_key(self, name: str, *scopes: Scope) -> tuple[str, str]:
        """Create a key with these scopes, and return it and its id."""
        created = await self.catalog.clients.add_key(name, frozenset(scopes), None)
        return created.text, created.record.id


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser that all page tests share."""
    async with chromium() as running:
        yield running


@pytest.fixture(scope="session")
async def keyed_process(shared_stack: RunningStack) -> str:
    """A process with four stored documents, two of which are not public."""
    return await shared_stack.create_ended_run(4, secret_documents=2)


@pytest.fixture(scope="session")
async def keyed(
    shared_stack: RunningStack, keyed_process: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[KeyedApi]:
    """An API with keys, over a copy of the stack's catalog as it is now."""
    copy = tmp_path_factory.mktemp("keyed") / "autos.db"
    with sqlite3.connect(shared_stack.data_dir / "autos.db") as original:
        original.execute("VACUUM INTO ?", (str(copy),))
    original.close()
    url = f"sqlite:///{copy}"
    settings = load_settings(data_dir=shared_stack.data_dir, database_url=url)
    catalog = Catalog(Database(settings.effective_database_url), Encryptor(settings.secret_keys))
    try:
        async with running_api_beside(shared_stack, AUTOS_DATABASE_URL=url, AUTOS_API_KEY=OPERATORS_KEY) as api:
            yield KeyedApi(api.url, catalog)
    finally:
        await catalog.close()
