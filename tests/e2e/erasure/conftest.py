"""A stack whose bucket keeps versions, and whose processes are erased."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from adapters.database import Database
from adapters.storage import open_s3
from tests.support.buckets import storage_address
from tests.support.conditions import eventually
from tests.support.receiver import Receiver, running_receiver
from tests.support.secret_leaks import find_leaks
from tests.support.stack import RunningStack, running_stack

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client


@pytest.fixture(scope="session")
async def erasure_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """A stack for these tests alone. Its bucket keeps versions, and it has a retention period of a day."""
    async with running_stack(tmp_path_factory.mktemp("erasure"), AUTOS_RETENTION_DAYS="1") as stack:
        async with open_s3(storage_address(stack)) as client:
            await client.put_bucket_versioning(
                Bucket=stack.addresses["bucket"], VersioningConfiguration={"Status": "Enabled"}
            )
        yield stack
        assert find_leaks(stack) == []


@pytest.fixture(scope="session")
def receiver(erasure_stack: RunningStack) -> Iterator[Receiver]:
    """A webhook receiver that knows the stack's secret."""
    with running_receiver(erasure_stack.addresses["webhook_secret"]) as running:
        yield running


@pytest.fixture
async def database(erasure_stack: RunningStack) -> AsyncIterator[Database]:
    """The stack's catalog database."""
    database = Database(f"sqlite+aiosqlite:///{erasure_stack.data_dir / 'autos.db'}")
    yield database
    await database.close()


@pytest.fixture
async def s3(erasure_stack: RunningStack) -> AsyncIterator[S3Client]:
    """A client of the stack's bucket."""
    async with open_s3(storage_address(erasure_stack)) as client:
        yield client


async def wait_until_erased(stack: RunningStack, number: str, *, seconds: float = 90.0) -> dict[str, Any]:
    """Wait until the erasure of a process is complete, and return its receipt."""

    async def completed() -> dict[str, Any] | None:
        receipt: dict[str, Any] = (await stack.api.get(f"/processes/{number}/erasure")).json()
        return receipt if receipt.get("state") == "completed" else None

    return await eventually(completed, f"the erasure of {number}", seconds=seconds)
