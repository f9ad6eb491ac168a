"""Deletion of objects with all their versions and delete markers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from adapters.storage.errors import is_unsupported

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

_PAGE_SIZE = 1000
# One request for each version: several stores do not know the request that deletes many at once.
_CONCURRENT_REQUESTS = 16


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version of an object, or a delete marker.

    Attributes:
        version_id: None if the store has no versions.
        size_bytes: Zero for a delete marker.
    """

    key: str
    version_id: str | None
    size_bytes: int
    is_marker: bool = False


async def list_versions(client: S3Client, bucket: str, prefix: str) -> AsyncGenerator[list[StoredVersion]]:
    """Yield pages of everything that is stored under a prefix, delete markers included.

    A store without versions is asked for its objects.
    """
    try:
        async for page in client.get_paginator("list_object_versions").paginate(
            Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": _PAGE_SIZE}
        ):
            yield [
                *(StoredVersion(each["Key"], each["VersionId"], each["Size"]) for each in page.get("Versions", [])),
                *(
                    StoredVersion(each["Key"], each["VersionId"], 0, is_marker=True)
                    for each in page.get("DeleteMarkers", [])
                ),
            ]
    except ClientError as error:
        # A key that lacks the right to see versions must not make them look erased.
        if not is_unsupported(error):
            raise
        async for objects in client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": _PAGE_SIZE}
        ):
            yield [StoredVersion(each["Key"], None, each["Size"]) for each in objects.get("Contents", [])]


async def delete_versions(client: S3Client, bucket: str, versions: list[StoredVersion]) -> None:
    """Delete these versions for good. Deleting one that does not exist is no error."""
    slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)

    async def delete(version: StoredVersion) -> None:
        async with slots:
            if version.version_id is None:
                await client.delete_object(Bucket=bucket, Key=version.key)
            else:
                await client.delete_object(Bucket=bucket, Key=version.key, VersionId=version.version_id)

    try:
        async with asyncio.TaskGroup() as group:
            for version in versions:
                group.create_task(delete(version))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def replace_markers(client: S3Client, bucket: str, versions: list[StoredVersion]) -> bool:
    """Replace delete markers by empty objects, which can be deleted. Return False if one of them is no marker.

    In a bucket whose versioning is suspended, SeaweedFS accepts the deletion of a marker, and keeps it.
    """
    if not all(version.is_marker and version.version_id == "null" for version in versions):
        return False
    for version in versions:
        await client.put_object(Bucket=bucket, Key=version.key, Body=b"")
    return True
