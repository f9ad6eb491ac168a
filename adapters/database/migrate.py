"""Bringing a database to the schema that this version works on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.database.engine import translated
from domain.errors import DependencyUnavailable

_MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def upgrade(url: str) -> None:
    """Run every migration that the database has not seen. Doing it again changes nothing.

    Args:
        url: SQLAlchemy address with an async driver.

    Raises:
        DependencyUnavailable: the database does not answer.
        ConfigurationError: it refuses us, or does not exist.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(_upgrade(url))
    except (SQLAlchemyError, OSError) as error:
        raise translated(error) or DependencyUnavailable(
            "database", f"The catalog's database cannot be brought up to date ({type(error).__name__})."
        ) from None


async def _upgrade(url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: command.upgrade(_with_connection(config, sync), "head"))
    finally:
        await engine.dispose()


def _with_connection(config: Config, connection: object) -> Config:
    config.attributes["connection"] = connection
    return config
