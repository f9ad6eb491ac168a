"""Bundles in the bucket, and the PDFs that documents were converted to for them."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import IO, TYPE_CHECKING, Self

from botocore.exceptions import ClientError

from adapters.storage.connection import BucketLocator, open_s3
from adapters.storage.errors import STORE_ERRORS, error_code, storage_failure, translating_expired_keys
from adapters.storage.uploads import (
    PART_BYTES,
    ChecksumSupport,
    ObjectAttributes,
    Target,
    put_object,
    upload_in_parts,
)
from domain.chunking import split_into_parts
from domain.documents import StoredObject
from domain.errors import ObjectDamaged, StorageFailure
from domain.storage import BUNDLES_PREFIX, StorageAddress

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

_CHUNK_BYTES = 256 * 1024
_SHA256 = "sha256"
_NO_OBJECT = frozenset({"NoSuchKey", "404"})


class BundleStore:
    """Writes and reads files that can be made again. A file is whole, or it does not exist.

    Every method raises ``StorageFailure`` if the store refuses or loses a request.

    Args:
        client: The client of the bucket.
        address: The bucket.
    """

    def __init__(self, client: S3Client, address: StorageAddress) -> None:
        self._client = client
        self._bucket = address.bucket
        self._locator = BucketLocator(client, address)
        self._checksums = ChecksumSupport()

    @classmethod
    async def open(cls, stack: AsyncExitStack, address: StorageAddress, *, connections: int = 8) -> Self:
        """Open a store. Its client is closed with the stack."""
        return cls(await stack.enter_async_context(open_s3(address, connections=connections)), address)

    async def write(self, key: str, chunks: AsyncIterable[bytes], media_type: str) -> StoredObject:
        """Store bytes under a key. Any failure, including cancellation, leaves no object and no parts.

        Raises:
            StorageFailure: The store refused or lost a request, or has other bytes than were written.
        """
        digest, size_bytes = hashlib.sha256(), 0
        target = Target(Bucket=self._bucket, Key=key)
        attributes = ObjectAttributes(ContentType=media_type, Metadata={})
        async with (
            aclosing(split_into_parts(chunks, PART_BYTES)) as parts,
            self._request_scope(f"The store did not take {key}", right="s3:PutObject"),
        ):
            body, last = await anext(parts)
            digest.update(body)
            size_bytes += len(body)
            if last:
                attributes["Metadata"] = {_SHA256: digest.hexdigest()}
                confirmed = await put_object(
                    self._client, self._checksums, target, body, digest.digest(), attributes
                )
            else:
                async with upload_in_parts(self._client, self._checksums, target, attributes) as upload:
                    await upload.send(body)
                    async for body, _ in parts:
                        digest.update(body)
                        size_bytes += len(body)
                        await upload.send(body)
                confirmed = upload.confirmed
        stored = StoredObject(key, size_bytes, digest.hexdigest(), media_type)
        if not confirmed:
            await self._verify(stored)
        return stored

    async def read_to(self, key: str, file: IO[bytes]) -> int | None:
        """Write an object's bytes to a file. Returns their number, or None if there is no such object.

        Raises:
            ObjectDamaged: The store has other bytes than were written. They are in the file.
            StorageFailure: The store refused or lost a request.
        """
        digest, size_bytes = hashlib.sha256(), 0
        async with self._request_scope(f"The store did not return {key}", right="s3:GetObject"):
            try:
                response = await self._client.get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error_code(error) in _NO_OBJECT:
                    return None
                raise
            async with response["Body"]:
                async for chunk in response["Body"].iter_chunks(_CHUNK_BYTES):
                    digest.update(chunk)
                    file.write(chunk)
                    size_bytes += len(chunk)
        recorded = response["Metadata"].get(_SHA256)
        if size_bytes != response["ContentLength"] or recorded not in (None, digest.hexdigest()):
            raise ObjectDamaged(f"The store returned {key} with other bytes than were written.")
        return size_bytes

    async def list_keys(self, prefix: str) -> list[str]:
        """Return the keys of the objects under a prefix.

        Raises:
            StorageFailure: The store refused or lost a request.
        """
        async with self._request_scope(f"The store did not list {prefix}", right="s3:ListBucket"):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return [item["Key"] async for page in pages for item in page.get("Contents", [])]

    async def _verify(self, stored: StoredObject) -> None:
        digest = hashlib.sha256()
        async with self._request_scope(f"The store did not return {stored.key}", right="s3:GetObject"):
            response = await self._client.get_object(Bucket=self._bucket, Key=stored.key)
            async with response["Body"]:
                async for chunk in response["Body"].iter_chunks(_CHUNK_BYTES):
                    digest.update(chunk)
        if digest.hexdigest() != stored.sha256:
            raise StorageFailure(f"The store returned {stored.key} with other bytes than were written.")

    @asynccontextmanager
    async def _request_scope(self, what: str, *, right: str) -> AsyncIterator[None]:
        try:
            with translating_expired_keys():
                await self._locator.locate()
                yield
        except STORE_ERRORS as error:
            raise storage_failure(error, what, right=right, where=f"{self._bucket}/{BUNDLES_PREFIX}*") from None
