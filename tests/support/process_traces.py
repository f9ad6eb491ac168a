"""A search for traces of a process in the database, the bucket, Temporal and the logs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import MetaData, String, cast, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.database import Database
from tests.support.stack import RunningStack

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How much each log held at a moment, in bytes."""

    sizes: dict[str, int]


async def find_in_database(database: Database, texts: Collection[str]) -> set[str]:
    """Return every column of the database that holds one of the texts, as ``table.column``."""
    async with database.reading() as connection:
        return await find_in_tables(connection, texts)


async def find_in_tables(connection: AsyncConnection, texts: Collection[str]) -> set[str]:
    """Return every column that holds one of the texts, as ``table.column``, over all tables that there are."""
    metadata = MetaData()
    await connection.run_sync(lambda sync: metadata.reflect(sync))
    found = set()
    for table in metadata.sorted_tables:
        for column in table.columns:
            values = await connection.scalars(select(cast(column, String)).where(column.is_not(None)))
            if any(text in value for value in values for text in texts):
                found.add(f"{table.name}.{column.name}")
    assert len(await connection.run_sync(lambda sync: inspect(sync).get_table_names())) == len(metadata.tables)
    return found


async def find_in_bucket(client: S3Client, bucket: str, texts: Collection[str]) -> list[str]:
    """Return what a bucket holds with one of the texts in its key: versions, delete markers and uploads."""
    found = []
    async for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found += [each["Key"] for each in (*page.get("Versions", []), *page.get("DeleteMarkers", []))]
    async for listed in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        found += [each["Key"] for each in listed.get("Contents", [])]
    uploads = await client.list_multipart_uploads(Bucket=bucket)
    found += [each["Key"] for each in uploads.get("Uploads", [])]
    return [key for key in found if any(text in key for text in texts)]


async def find_in_temporal(stack: RunningStack, texts: Collection[str]) -> list[str]:
    """Return the ids of the executions whose history, memo or summary holds one of the texts."""
    found = []
    async for execution in stack.temporal.list_workflows():
        handle = stack.temporal.get_workflow_handle(execution.id, run_id=execution.run_id)
        description = await handle.describe()
        # As text, because JSON has payloads in base64.
        events = " ".join(map(str, (await handle.fetch_history()).events))
        told = f"{execution.id} {events} {description.raw_description}"
        if any(text in told for text in texts):
            found.append(execution.id)
    return found


def mark_logs(stack: RunningStack) -> LogPosition:
    """Return how much the stack has logged so far."""
    return LogPosition({path.name: path.stat().st_size for path in _log_files(stack)})


def find_in_logs(stack: RunningStack, since: LogPosition, texts: Collection[str]) -> list[str]:
    """Return the log lines written since a position that hold one of the texts."""
    lines: list[str] = []
    for path in _log_files(stack):
        written = path.read_bytes()[since.sizes.get(path.name, 0) :].decode(errors="replace")
        lines += [line for line in written.splitlines() if any(text in line for text in texts)]
    return lines


def _log_files(stack: RunningStack) -> list[Path]:
    return [stack.stderr, *sorted((stack.data_dir / "logs").iterdir())]
