"""A stack's bucket, read from outside the service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from adapters.storage import open_s3
from domain.storage import DOCUMENTS_PREFIX, StorageAddress
from tests.support.conditions import eventually
from tests.support.stack import RunningStack

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import MultipartUploadTypeDef


class Bucket:
    """A client of the stack's bucket."""

    def __init__(self, client: S3Client, name: str) -> None:
        self._client = client
        self._name = name

    async def begin_upload(self, number: str) -> str:
        """Begin a multipart upload that is never continued, and return its id."""
        upload = await self._client.create_multipart_upload(
            Bucket=self._name, Key=f"{DOCUMENTS_PREFIX}{number}/a.pdf"
        )
        return upload["UploadId"]

    async def list_uploads(self, number: str) -> list[str]:
        """Return the ids of a process's multipart uploads that are neither completed nor aborted."""
        return [upload["UploadId"] for upload in await self._uploads(number)]

    async def list_keys(self, number: str) -> list[str]:
        """Return the keys of a process's objects."""
        listed = await self._client.list_objects_v2(Bucket=self._name, Prefix=f"{DOCUMENTS_PREFIX}{number}/")
        return [item["Key"] for item in listed.get("Contents", [])]

    async def list_uploads_under(self, prefix: str) -> list[str]:
        """Return the keys of unfinished uploads under a prefix."""
        listed = await self._client.list_multipart_uploads(Bucket=self._name, Prefix=prefix)
        return [upload["Key"] for upload in listed.get("Uploads", [])]

    async def list_keys_under(self, prefix: str) -> list[str]:
        """Return the keys of objects under a prefix."""
        listed = await self._client.list_objects_v2(Bucket=self._name, Prefix=prefix)
        return [item["Key"] for item in listed.get("Contents", [])]

    async def put(self, key: str, body: bytes) -> None:
        """Store an object."""
        await self._client.put_object(Bucket=self._name, Key=key, Body=body)

    async def delete(self, key: str) -> None:
        """Delete an object."""
        await self._client.delete_object(Bucket=self._name, Key=key)

    async def wait_until_half_uploaded(self, number: str, *, parts: int = 1) -> None:
        """Wait until so many parts of a process's one document are uploaded. The upload must not be complete."""

        async def arrived() -> bool:
            for upload in await self._uploads(number):
                listed = await self._client.list_parts(
                    Bucket=self._name, Key=upload["Key"], UploadId=upload["UploadId"]
                )
                return len(listed.get("Parts", [])) >= parts
            return False

        await eventually(arrived, f"{parts} parts of the document of {number}")
        assert await self.list_keys(number) == []

    async def _uploads(self, number: str) -> list[MultipartUploadTypeDef]:
        listed = await self._client.list_multipart_uploads(Bucket=self._name, Prefix=f"{DOCUMENTS_PREFIX}{number}/")
        return listed.get("Uploads", [])


def storage_address(stack: RunningStack) -> StorageAddress:
    """Return the address of a stack's own store, with the access key that it keeps for its own services."""
    local = json.loads((stack.data_dir / "local.json").read_text())
    return StorageAddress(
        bucket=stack.addresses["bucket"],
        endpoint_url=stack.addresses["s3"],
        region="us-east-1",
        access_key_id=local["s3_access_key_id"],
        secret_access_key=local["s3_secret_access_key"],
    )


@asynccontextmanager
async def open_bucket(stack: RunningStack) -> AsyncIterator[Bucket]:
    """Open the bucket of a stack's own store."""
    address = storage_address(stack)
    async with open_s3(address) as client:
        yield Bucket(client, address.bucket)
