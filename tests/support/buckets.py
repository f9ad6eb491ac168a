"""A stack's bucket, seen from outside the service."""

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
    """The stack's bucket, as a tool beside the service sees it."""

    def __init__(self, client: S3Client, name: str) -> None:
        self._client = client
        self._name = name

    async def begin(self, number: str) -> str:
        """Begin an upload that nobody goes on with; its id."""
        begun = await self._client.create_multipart_upload(
            Bucket=self._name, Key=f"{DOCUMENTS_PREFIX}{number}/a.pdf"
        )
        return begun["UploadId"]

    async def uploads(self, number: str) -> list[str]:
        """The uploads for a process that have neither been completed nor aborted."""
        return [upload["UploadId"] for upload in await self._uploads(number)]

    async def keys(self, number: str) -> list[str]:
        """The objects of a process."""
        listed = await self._client.list_objects_v2(Bucket=self._name, Prefix=f"{DOCUMENTS_PREFIX}{number}/")
        return [item["Key"] for item in listed.get("Contents", [])]

    async def half_way(self, number: str, *, parts: int = 1) -> None:
        """Wait until so many parts of the process's one document have arrived, and not yet all."""

        async def arrived() -> bool:
            for upload in await self._uploads(number):
                listed = await self._client.list_parts(
                    Bucket=self._name, Key=upload["Key"], UploadId=upload["UploadId"]
                )
                return len(listed.get("Parts", [])) >= parts
            return False

        await eventually(arrived, f"{parts} parts of the document of {number}")
        assert await self.keys(number) == []

    async def _uploads(self, number: str) -> list[MultipartUploadTypeDef]:
        listed = await self._client.list_multipart_uploads(Bucket=self._name, Prefix=f"{DOCUMENTS_PREFIX}{number}/")
        return listed.get("Uploads", [])


@asynccontextmanager
async def bucket_of(stack: RunningStack) -> AsyncIterator[Bucket]:
    """The bucket, with the keys that the stack has left for its own parts."""
    kept = json.loads((stack.data_dir / "local.json").read_text())
    name = stack.addresses["bucket"]
    address = StorageAddress(
        bucket=name,
        endpoint_url=stack.addresses["s3"],
        region="us-east-1",
        access_key_id=kept["s3_access_key_id"],
        secret_access_key=kept["s3_secret_access_key"],
    )
    async with open_s3(address) as client:
        yield Bucket(client, name)
