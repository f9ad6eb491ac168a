"""The bucket as an audit sees it: lists of objects and uploads, the bytes of an object, and what is removed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import structlog
from botocore.exceptions import ClientError

from adapters.storage.connection import BucketLocator, open_s3, read_clock_skew
from adapters.storage.errors import STORE_ERRORS, is_refusal, storage_failure, translating_expired_keys
from adapters.storage.uploads import Target, abort_upload
from domain.audit import ListedObject, ListedUpload
from domain.storage import DOCUMENTS_PREFIX, StorageAddress

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

_KEYS_PER_PAGE = 1000
_CHUNK_BYTES = 1024**2
_NO_OBJECT = frozenset({"NoSuchKey", "404"})

_log = structlog.get_logger()


class BucketListing:
    """Lists a bucket, and removes single objects and uploads.

    Every method raises ``StorageFailure`` if the store refuses or loses a request. A list is whole or it raises.

    Args:
        client: The client of the bucket.
        address: The bucket.
    """

    def __init__(self, client: S3Client, address: StorageAddress) -> None:
        self._client = client
        self._bucket = address.bucket
        self._locator = BucketLocator(client, address)
        self._clock_skew = timedelta(0)

    @classmethod
    async def open(cls, stack: AsyncExitStack, address: StorageAddress) -> Self:
        """Open a listing. Its client is closed with the stack."""
        return cls(await stack.enter_async_context(open_s3(address, connections=4)), address)

    @property
    def now(self) -> datetime:
        """The time by the store's clock, as its last list stated it."""
        return datetime.now(UTC) + self._clock_skew

    async def list_objects(self, prefix: str, *, after: str = "") -> AsyncGenerator[ListedObject]:
        """Yield the objects under a prefix in the order of their keys, a thousand a request.

        Args:
            prefix: The beginning of the keys.
            after: Leave out keys up to this one.
        """
        request: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix, "MaxKeys": _KEYS_PER_PAGE}
        if after:
            request["StartAfter"] = after
        while True:
            page = await self._list(request)
            for item in page.get("Contents", []):
                yield ListedObject(item["Key"], item["Size"], item["LastModified"])
            if not page.get("IsTruncated"):
                return
            request["ContinuationToken"] = page["NextContinuationToken"]

    async def find(self, key: str) -> ListedObject | None:
        """Return an object. None if the bucket does not have it."""
        # Not HEAD: its error responses have no body, so that a missing bucket looks like a missing object.
        page = await self._list({"Bucket": self._bucket, "Prefix": key, "MaxKeys": 1})
        item = next((item for item in page.get("Contents", []) if item["Key"] == key), None)
        return ListedObject(key, item["Size"], item["LastModified"]) if item else None

    async def digest(self, key: str, pace: Callable[[int], Awaitable[None]]) -> tuple[int, str] | None:
        """Read an object, a megabyte at a time, and return its size and SHA-256. None if there is no such object.

        Args:
            key: The object.
            pace: Is called with the size of each chunk, and may wait.
        """
        digest, size_bytes = hashlib.sha256(), 0
        async with self._request_scope(f"The store did not return {key}", right="s3:GetObject"):
            try:
                response = await self._client.get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in _NO_OBJECT:
                    return None
                raise
            async with response["Body"]:
                async for chunk in response["Body"].iter_chunks(_CHUNK_BYTES):
                    size_bytes += len(chunk)
                    digest.update(chunk)
                    await pace(len(chunk))
        return size_bytes, digest.hexdigest()

    async def delete(self, key: str) -> bool:
        """Delete an object. A bucket with versions keeps it as a former version.

        Returns:
            False if our key may not delete.
        """
        async with self._request_scope(f"The store did not delete {key}", right="s3:DeleteObject"):
            try:
                await self._client.delete_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if not is_refusal(error):
                    raise
                return False
        return True

    async def list_uploads(self, prefix: str) -> AsyncGenerator[ListedUpload]:
        """Yield the unfinished uploads in parts under a prefix.

        A store that does not support or allow this has its own lifecycle rules. That is logged and is no error.
        """
        what = f"The store did not list the uploads under {prefix}"
        async with self._request_scope(what, right="s3:ListBucketMultipartUploads"):
            # The paginator, because some stores return only one of the two markers, and expect only that one.
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=prefix, PaginationConfig={"PageSize": _KEYS_PER_PAGE}
            )
            try:
                async for page in pages:
                    self._keep_clock(page)
                    for upload in page.get("Uploads", []):
                        yield ListedUpload(upload["Key"], upload["UploadId"], upload["Initiated"])
            except ClientError as error:
                if not is_refusal(error):
                    raise
                _log.warning("store refuses to list uploads", bucket=self._bucket)

    async def abort(self, upload: ListedUpload) -> bool:
        """Abort an upload. Returns False if it no longer exists."""
        what = f"The store did not abort an upload of {upload.key}"
        async with self._request_scope(what, right="s3:AbortMultipartUpload"):
            return await abort_upload(self._client, Target(Bucket=self._bucket, Key=upload.key), upload.upload_id)

    async def _list(self, request: dict[str, Any]) -> Any:
        what = f"The store did not list the bucket {self._bucket}"
        async with self._request_scope(what, right="s3:ListBucket", where=self._bucket):
            page = await self._client.list_objects_v2(**request)
        self._keep_clock(page)
        return page

    def _keep_clock(self, response: Any) -> None:
        skew = read_clock_skew(response)
        if skew is not None:
            self._clock_skew = skew

    @asynccontextmanager
    async def _request_scope(self, what: str, *, right: str, where: str | None = None) -> AsyncIterator[None]:
        try:
            with translating_expired_keys():
                await self._locator.locate()
                yield
        except STORE_ERRORS as error:
            where = where or f"{self._bucket}/{DOCUMENTS_PREFIX}*"
            raise storage_failure(error, what, right=right, where=where) from None
