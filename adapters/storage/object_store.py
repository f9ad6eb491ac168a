"""Documents in a bucket. An object is complete and verified, or it does not exist."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, unquote

import structlog

from adapters.storage.connection import BucketLocation, BucketLocator, open_s3
from adapters.storage.erasing import StoredVersion, delete_versions, list_versions, replace_markers
from adapters.storage.errors import (
    STORE_ERRORS,
    is_refusal,
    is_unsupported,
    storage_failure,
    translating_expired_keys,
)
from adapters.storage.spans import trace_requests
from adapters.storage.uploads import (
    PART_BYTES,
    ChecksumSupport,
    ObjectAttributes,
    Target,
    abort_upload,
    put_object,
    upload_in_parts,
)
from domain.chunking import split_into_parts
from domain.content import DocumentContent
from domain.documents import StoredObject
from domain.errors import DependencyUnavailable, StorageFailure
from domain.filenames import file_extension
from domain.spans import NO_TRACES, Tracer
from domain.storage import DOCUMENTS_PREFIX, WRITE_CHECK_KEY, StorageAddress

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import HeadObjectOutputTypeDef

_UPLOADS_PER_PAGE = 1000
_CHECK_TIMEOUT_SECONDS = 10.0
_CHECK_ATTEMPTS = 3
_CHUNK_BYTES = 1024**2
_READ_BYTES = 256 * 1024
_SHA256 = "sha256"
_NAME = "name"

_log = structlog.get_logger()


class ObjectStore:
    """Stores documents as objects. An object is complete and verified, or it does not exist.

    A store that supports it verifies the SHA-256 of a write and confirms it. A write that is not confirmed is read
    back and compared.

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
    async def open(
        cls,
        stack: AsyncExitStack,
        address: StorageAddress,
        *,
        connections: int = 32,
        tracer: Tracer = NO_TRACES,
    ) -> Self:
        """Open a store. Its client is closed with the stack."""
        client = await stack.enter_async_context(open_s3(address, connections=connections))
        trace_requests(client, tracer)
        return cls(client, address)

    async def location(self) -> BucketLocation:
        """Return the location of the bucket, or the configured one if the store does not answer. Never raises."""
        return await self._locator.locate_or_default()

    async def check(self) -> None:
        """Check that the bucket answers.

        Raises:
            DependencyUnavailable: The store does not answer, or we have no access to the bucket.
        """
        what = f"The bucket {self._bucket} does not answer"
        try:
            async with self._request_scope(what, right="s3:ListBucket", where=self._bucket):
                await self._client.list_objects_v2(Bucket=self._bucket, Prefix=WRITE_CHECK_KEY, MaxKeys=1)
        except StorageFailure as failure:
            raise DependencyUnavailable("storage", str(failure)) from None

    async def check_write(self) -> None:
        """Check that the bucket takes writes, by overwriting one small object in the same way as a document.

        A store that answers ``check`` may still refuse writes: a full disk, a policy, a read-only replica.

        Raises:
            StorageFailure: The store did not accept it within ten seconds, or lost it. The text says why.
        """
        what = f"The bucket {self._bucket} takes no writes"
        try:
            async with (
                asyncio.timeout(_CHECK_TIMEOUT_SECONDS),
                self._request_scope(what, right="s3:PutObject and s3:GetObject"),
            ):
                # Several attempts, because another worker may overwrite the object between the write and the read.
                for _ in range(_CHECK_ATTEMPTS):
                    if await self._round_trip_small_object():
                        return
        except TimeoutError:
            raise StorageFailure(f"{what} (TimeoutError).") from None
        raise StorageFailure(f"The bucket {self._bucket} does not keep what is written to it.")

    async def _round_trip_small_object(self) -> bool:
        body = f"{datetime.now(UTC).isoformat()} {secrets.token_hex(8)}".encode()
        target = Target(Bucket=self._bucket, Key=WRITE_CHECK_KEY)
        attributes = ObjectAttributes(ContentType="text/plain", Metadata={})
        sha256 = hashlib.sha256(body)
        confirmed = await put_object(self._client, self._checksums, target, body, sha256.digest(), attributes)
        return confirmed or await self._hash_object(WRITE_CHECK_KEY) == sha256.hexdigest()

    async def store(
        self, prefix: str, name: str, content: DocumentContent, choose_media_type: Callable[[bytes], str]
    ) -> StoredObject:
        """Store a document's bytes under ``prefix`` plus the extension of their media type.

        Content of at most one part is put in one request. Larger content is a multipart upload, which is completed
        only after the content was validated. Any failure before that, including cancellation, leaves no object and
        no parts. At most two parts of a document are in memory: one is sent while the next one is read.

        Args:
            prefix: The key without its extension.
            name: The document's name, stored as metadata.
            content: Read once, to its end.
            choose_media_type: Returns the media type from the first bytes.

        Raises:
            DocumentFailure: The content is not a valid document (from ``content``).
            StorageFailure: The store refused or lost a request, or stored other bytes than were sent.
        """
        async with (
            aclosing(split_into_parts(content, PART_BYTES)) as parts,
            self._request_scope(f"The store did not take {prefix}", right="s3:PutObject"),
        ):
            body, last = await anext(parts)
            media_type = choose_media_type(content.head)
            key = prefix + file_extension(media_type)
            target = Target(Bucket=self._bucket, Key=key)
            # S3 accepts two kilobytes of metadata, and percent-encoding may triple the bytes of the name.
            metadata = {_NAME: quote(name.encode()[:600].decode(errors="ignore"), safe=" ")}
            if last:
                metadata[_SHA256] = content.sha256.hex()
                attributes = ObjectAttributes(ContentType=media_type, Metadata=metadata)
                confirmed = await put_object(
                    self._client, self._checksums, target, body, content.sha256, attributes
                )
            else:
                # No digest in the metadata: it is known only at the end, when metadata can no longer be changed.
                attributes = ObjectAttributes(ContentType=media_type, Metadata=metadata)
                async with upload_in_parts(self._client, self._checksums, target, attributes) as upload:
                    await upload.send(body)
                    async for body, _ in parts:
                        await upload.send(body)
                confirmed = upload.confirmed
        if not confirmed:
            await self._verify(key, content)
        return StoredObject(key, content.size_bytes, content.sha256.hex(), media_type)

    async def read(self, stored: StoredObject) -> AsyncGenerator[bytes]:
        """Yield the bytes of an object, a quarter of a megabyte at a time.

        The reader has all of them only if the iteration ends without an error. Close the generator to stop earlier.

        Raises:
            StorageFailure: The store refused or lost a request, or has other bytes than were stored.
        """
        digest, size_bytes = hashlib.sha256(), 0
        async with self._request_scope(f"The store did not return {stored.key}", right="s3:GetObject"):
            response = await self._client.get_object(Bucket=self._bucket, Key=stored.key)
            async with response["Body"]:
                async for chunk in response["Body"].iter_chunks(_READ_BYTES):
                    size_bytes += len(chunk)
                    if size_bytes > stored.size_bytes:
                        break
                    digest.update(chunk)
                    yield chunk
        if size_bytes != stored.size_bytes or digest.hexdigest() != stored.sha256:
            raise StorageFailure(f"The store has {stored.key} with other bytes than were stored.", permanent=True)

    async def abort_uploads(self, prefix: str, *, older_than: timedelta, denial_raises: bool = False) -> int:
        """Abort unfinished multipart uploads under ``prefix``.

        Objects are not touched. An upload that is still running fails at its next part. If the store does not
        support or allow this request, that is logged, and the store's own lifecycle rules have to abort them.

        Args:
            prefix: The beginning of the keys.
            older_than: Younger uploads are kept. Zero aborts all, whatever the store's clock says.
            denial_raises: It is an error if the store supports the request and does not allow it.

        Returns:
            The number of aborted uploads.

        Raises:
            StorageFailure: The store refused or lost a request.
        """
        started_before = datetime.now(UTC) - older_than
        aborted = 0
        async with self._request_scope(
            f"The store did not abort the uploads under {prefix}",
            right="s3:ListBucketMultipartUploads and s3:AbortMultipartUpload",
            ignored=is_unsupported if denial_raises else is_refusal,
        ):
            # Use the paginator: some stores return only one of the two markers, and expect only that one.
            async for page in self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=prefix, PaginationConfig={"PageSize": _UPLOADS_PER_PAGE}
            ):
                for upload in page.get("Uploads", []):
                    if not older_than or upload["Initiated"] < started_before:
                        target = Target(Bucket=self._bucket, Key=upload["Key"])
                        aborted += await abort_upload(self._client, target, upload["UploadId"])
        return aborted

    async def has_any(self, prefix: str) -> bool:
        """Return whether anything is stored under ``prefix``, former versions and delete markers included.

        Raises:
            StorageFailure: The store refused or lost a request.
        """
        async with (
            self._request_scope(f"The store did not list {prefix}", right="s3:ListBucketVersions"),
            aclosing(list_versions(self._client, self._bucket, prefix)) as pages,
        ):
            return bool(await _first_not_empty(pages))

    async def measure(self, prefix: str) -> tuple[int, int]:
        """Return the number of object versions under ``prefix``, and their total size in bytes.

        Raises:
            StorageFailure: The store refused or lost a request.
        """
        objects = size_bytes = 0
        async with self._request_scope(f"The store did not list {prefix}", right="s3:ListBucketVersions"):
            async for page in list_versions(self._client, self._bucket, prefix):
                objects += sum(not version.is_marker for version in page)
                size_bytes += sum(version.size_bytes for version in page)
        return objects, size_bytes

    async def erase(self, prefix: str) -> int:
        """Delete everything under ``prefix`` for good, and list it again until nothing is left.

        That is every version of its objects, its delete markers, and its unfinished uploads.

        Returns:
            The number of deleted versions, delete markers and uploads.

        Raises:
            StorageFailure: The store refused or lost a request, or keeps what it was asked to delete.
        """
        erased = await self.abort_uploads(prefix, older_than=timedelta(0), denial_raises=True)
        before: list[StoredVersion] = []
        replaced = False
        while True:
            async with self._request_scope(
                f"The store did not erase {prefix}", right="s3:ListBucketVersions and s3:DeleteObjectVersion"
            ):
                async with aclosing(list_versions(self._client, self._bucket, prefix)) as pages:
                    page = await _first_not_empty(pages)
                if page and page == before:
                    if replaced or not await replace_markers(self._client, self._bucket, page):
                        raise StorageFailure(f"The store keeps {prefix} although it accepted the deletion.")
                    replaced = True
                await delete_versions(self._client, self._bucket, page)
            if not page:
                return erased
            erased += len(page)
            before = page

    async def find(self, prefix: str, *, size_bytes: int | None = None) -> StoredObject | None:
        """Return the complete object that an earlier attempt stored under ``prefix``. None if there is none.

        The object is read and hashed, because that attempt may have died before it verified its write. It is
        returned only if there is proof of its content: the digest in its metadata, or a checksum that the store
        verified.

        Args:
            prefix: The key without its extension.
            size_bytes: The size in the court's current listing. An object of another size is another version of the
                document and is not returned. None accepts any size.

        Raises:
            StorageFailure: The store refused or lost a request.
        """
        async with self._request_scope(
            f"The store did not list {prefix}", right="s3:ListBucket and s3:GetObject", ignored=is_refusal
        ):
            listed = await self._client.list_objects_v2(Bucket=self._bucket, Prefix=f"{prefix}.")
            for item in listed.get("Contents", []):
                if size_bytes is None or item["Size"] == size_bytes:
                    return await self._read_verified(item["Key"])
        return None

    async def _read_verified(self, key: str) -> StoredObject | None:
        async def head(with_checksum: bool) -> HeadObjectOutputTypeDef:
            if with_checksum:
                return await self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
            return await self._client.head_object(Bucket=self._bucket, Key=key)

        headers = await self._checksums.try_with_checksum(head)
        recorded_digest = headers["Metadata"].get(_SHA256)
        if recorded_digest is None and not headers.get("ChecksumSHA256"):
            return None
        digest = await self._hash_object(key)
        if recorded_digest not in (None, digest):
            _log.warning("object is not what was written", key=key)
            return None
        return StoredObject(key, headers["ContentLength"], digest, headers["ContentType"])

    async def _verify(self, key: str, content: DocumentContent) -> None:
        """Read an object back and compare it. Delete it if it differs from what was written.

        Raises:
            StorageFailure: It differs, or cannot be read.
        """
        async with self._request_scope(f"The store did not return {key}", right="s3:GetObject", permanent=False):
            if await self._hash_object(key) == content.sha256.hex():
                return
        what = f"The store did not delete {key}"
        async with self._request_scope(what, right="s3:DeleteObject", ignored=is_refusal):
            await self._client.delete_object(Bucket=self._bucket, Key=key)
        raise StorageFailure(f"The store returned {key} with other bytes than were written.")

    async def _hash_object(self, key: str) -> str:
        digest = hashlib.sha256()
        response = await self._client.get_object(Bucket=self._bucket, Key=key)
        async with response["Body"]:
            async for chunk in response["Body"].iter_chunks(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    @asynccontextmanager
    async def _request_scope(
        self,
        what: str,
        *,
        right: str,
        where: str | None = None,
        permanent: bool = True,
        ignored: Callable[[Exception], bool] | None = None,
    ) -> AsyncIterator[None]:
        """Locate the bucket, run the block, and raise errors of the store as ``StorageFailure``.

        Args:
            what: What failed then, as the beginning of a sentence.
            right: The S3 action that is needed.
            where: What the action is needed for. None means the documents.
            permanent: Whether a refusal may be permanent.
            ignored: Errors for which it returns True are logged instead of raised. None means no error is.
        """
        try:
            await self._locator.locate()
        except STORE_ERRORS as error:
            raise storage_failure(error, what, right="s3:ListBucket", where=self._bucket) from None
        try:
            with translating_expired_keys():
                yield
        except STORE_ERRORS as error:
            failure = storage_failure(
                error, what, right=right, where=where or f"{self._bucket}/{DOCUMENTS_PREFIX}*"
            )
            failure.permanent &= permanent
            if ignored is None or not ignored(error):
                raise failure from None
            _log.warning("store refuses an optional request", detail=str(failure))


async def _first_not_empty(pages: AsyncIterator[list[StoredVersion]]) -> list[StoredVersion]:
    async for page in pages:
        if page:
            return page
    return []


def read_document_name(metadata: dict[str, str]) -> str | None:
    """Return the document's name from an object's metadata, where it is percent-encoded UTF-8. None if absent."""
    return unquote(metadata[_NAME]) if _NAME in metadata else None
