"""The SQL statements that tests cause, and the database's plans for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import Engine

from adapters.database import Database


@dataclass(frozen=True)
class Statement:
    """One statement with its parameters, as the driver received it."""

    sql: str
    parameters: Any


@contextmanager
def statements() -> Iterator[list[Statement]]:
    """Collect every statement of every engine while the block lasts; an `executemany` counts once."""
    collected: list[Statement] = []

    def collect(_: object, __: object, sql: str, parameters: Any, *___: object) -> None:
        collected.append(Statement(sql, parameters))

    event.listen(Engine, "before_cursor_execute", collect)
    try:
        yield collected
    finally:
        event.remove(Engine, "before_cursor_execute", collect)


async def plan(database: Database, statement: Statement) -> str:
    """Return the database's plan for a statement.

    Postgres is kept from sequential scans, which it would choose for the small tables of the tests.
    """
    postgres = database.dialect == "postgresql"
    async with database.reading() as connection:
        if postgres:
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
        explain = "EXPLAIN " if postgres else "EXPLAIN QUERY PLAN "
        rows = await connection.exec_driver_sql(explain + statement.sql, statement.parameters)
        return "\n".join(str(row[-1]) for row in rows)
