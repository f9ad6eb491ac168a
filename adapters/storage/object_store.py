"""Documents in a bucket: whole and verified, or not there."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, unquote

import structlog

from adapters.storage.connection import BucketLocation, BucketLocator, open_s3
from adapters.storage.errors import STORE_ERRORS, failure_of, is_refusal, naming_ended_keys
from adapters.storage.uploads import (
    PART_BYTES,
    Checksums,
    Description,
    Target,
    abort_upload,
    put_object,
    upload_in_parts,
)
from domain.content import DocumentContent
from domain.documents import StoredObject
from domain.errors import DependencyUnavailable, StorageFailure
from domain.filenames import extension
from domain.parts import in_parts
from domain.storage import DOCUMENTS_PREFIX, WRITE_CHECK_KEY, StorageAddress

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import HeadObjectOutputTypeDef

_UPLOADS_PER_PAGE = 1000
_CHECK_SECONDS = 10.0
_CHECKS_IN_A_ROW = 3
_CHUNK_BYTES = 1024**2
_SHA256 = "sha256"
_NAME = "name"

_log = structlog.get_logger()


class ObjectStore:
    """Objects of documents, put whole and verified or not at all.

    The store verifies a write and confirms the SHA-256 that came with it. One that is not confirmed is read back.

    Args:
        client: The client of the bucket.
        address: The bucket.
    """

    def __init__(self, client: S3Client, address: StorageAddress) -> None:
        self._client = client
        self._bucket = address.bucket
        self._locator = BucketLocator(client, address)
        self._checksums = Checksums()

    @classmethod
    async def open(cls, stack: AsyncExitStack, address: StorageAddress, *, connections: int = 32) -> Self:
        """Open a store whose client lives as long as the stack."""
        return cls(await stack.enter_async_context(open_s3(address, connections=connections)), address)

    async def location(self) -> BucketLocation:
        """Return how and where the bucket is addressed, as far as the store says so at once. Does not raise."""
        return await self._locator.locate_soon()

    async def check(self) -> None:
        """Ask the bucket for a sign of life.

        Raises:
            DependencyUnavailable: The store does not answer, or the bucket is not there for us.
        """
        what = f"The bucket {self._bucket} does not answer"
        try:
            async with self._requests(what, right="s3:ListBucket", where=self._bucket):
                await self._client.list_objects_v2(Bucket=self._bucket, Prefix=WRITE_CHECK_KEY, MaxKeys=1)
        except StorageFailure as failure:
            raise DependencyUnavailable("storage", str(failure)) from None

    async def check_write(self) -> None:
        """Write a small object over the one of the last check, as a document would be written.

        A store that answers `check` may still refuse writes: a full disk, a policy, a read-only replica.

        Raises:
            StorageFailure: The store did not take it, or not within ten seconds, or lost it. The text says why.
        """
        what = f"The bucket {self._bucket} takes no writes"
        try:
            async with (
                asyncio.timeout(_CHECK_SECONDS),
                self._requests(what, right="s3:PutObject and s3:GetObject"),
            ):
                # Another worker may write in between what was written and what is read.
                for _ in range(_CHECKS_IN_A_ROW):
                    if await self._keeps_small_object():
                        return
        except TimeoutError:
            raise StorageFailure(f"{what} (TimeoutError).") from None
        raise StorageFailure(f"The bucket {self._bucket} does not keep what is written to it.")

    async def _keeps_small_object(self) -> bool:
        body = f"{datetime.now(UTC).isoformat()} {secrets.token_hex(8)}".encode()
        target = Target(Bucket=self._bucket, Key=WRITE_CHECK_KEY)
        described = Description(ContentType="text/plain", Metadata={})
        sha256 = hashlib.sha256(body)
        confirmed = await put_object(self._client, self._checksums, target, body, sha256.digest(), described)
        return confirmed or await self._digest_of(WRITE_CHECK_KEY) == sha256.hexdigest()

    async def store(
        self, prefix: str, name: str, content: DocumentContent, media_type_of: Callable[[bytes], str]
    ) -> StoredObject:
        """Put a document's bytes under ``prefix`` plus an extension that fits them.

        Up to one part they go in one request; more are put as parts, and only made an object when the content has
        ended well. Whatever fails before leaves no object and no parts, cancellation included. Of a document, two
        parts are in memory at most: one on its way while the next one is being read.

        Args:
            prefix: The key without its extension.
            name: The document's name, kept as metadata.
            content: Read once, to its end.
            media_type_of: Tells the media type from the first bytes.

        Raises:
            DocumentFailure: The content is not a document (from ``content``).
            StorageFailure: The store refused or lost a request, or keeps other bytes than were sent.
        """
        async with (
            aclosing(in_parts(content, PART_BYTES)) as parts,
            self._requests(f"The store did not take {prefix}", right="s3:PutObject"),
        ):
            body, last = await anext(parts)
            media_type = media_type_of(content.head)
            key = prefix + extension(media_type)
            target = Target(Bucket=self._bucket, Key=key)
            # S3 takes two kilobytes of metadata, and a byte of the name may become three.
            metadata = {_NAME: quote(name.encode()[:600].decode(errors="ignore"), safe=" ")}
            if last:
                metadata[_SHA256] = content.sha256.hex()
                described = Description(ContentType=media_type, Metadata=metadata)
                confirmed = await put_object(self._client, self._checksums, target, body, content.sha256, described)
            else:
                # The digest of the whole will be known only when the metadata can no longer be changed.
                described = Description(ContentType=media_type, Metadata=metadata)
                async with upload_in_parts(self._client, self._checksums, target, described) as upload:
                    await upload.send(body)
                    async for body, _ in parts:
                        await upload.send(body)
                confirmed = upload.confirmed
        if not confirmed:
            await self._verify(key, content)
        return StoredObject(key, content.size_bytes, content.sha256.hex(), media_type)

    async def abort_uploads(self, prefix: str, *, older_than: timedelta) -> int:
        """Abort what uploads in parts have left under ``prefix``, and say how many.

        Nothing but such an upload is touched. One that is still at work fails at its next part. A store that does
        not know or allow this request leaves them to its own rules: that is logged, and keeps nobody from storing.

        Args:
            prefix: The beginning of the keys.
            older_than: Younger uploads are let be; zero lets none be, whatever the store's clock says.

        Raises:
            StorageFailure: The store refused or lost a request.
        """
        begun_before = datetime.now(UTC) - older_than
        aborted = 0
        async with self._requests(
            f"The store did not abort what is under {prefix}", right="s3:ListBucketMultipartUploads", optional=True
        ):
            # By its paginator alone: there are stores that give one of the two markers and go by that one only.
            async for page in self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=prefix, PaginationConfig={"PageSize": _UPLOADS_PER_PAGE}
            ):
                for upload in page.get("Uploads", []):
                    if not older_than or upload["Initiated"] < begun_before:
                        target = Target(Bucket=self._bucket, Key=upload["Key"])
                        aborted += await abort_upload(self._client, target, upload["UploadId"])
        return aborted

    async def find(self, prefix: str, *, size_bytes: int | None = None) -> StoredObject | None:
        """Return the whole object that an earlier attempt left under ``prefix``. None if there is none.

        It is read and hashed, since that attempt may have died before it had verified what it wrote. Taken is only
        what something vouches for: the digest in its metadata, or the checksum that the store compared.

        Args:
            prefix: The key without its extension.
            size_bytes: The size that the court lists now. An object of another size is another version of the
                document and is not returned. None accepts any size.

        Raises:
            StorageFailure: The store refused or lost a request.
        """
        async with self._requests(
            f"The store did not say what is under {prefix}", right="s3:ListBucket and s3:GetObject", optional=True
        ):
            listed = await self._client.list_objects_v2(Bucket=self._bucket, Prefix=f"{prefix}.")
            for item in listed.get("Contents", []):
                if size_bytes is None or item["Size"] == size_bytes:
                    return await self._vouched_for(item["Key"])
        return None

    async def _vouched_for(self, key: str) -> StoredObject | None:
        async def head(with_checksum: bool) -> HeadObjectOutputTypeDef:
            if with_checksum:
                return await self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
            return await self._client.head_object(Bucket=self._bucket, Key=key)

        described = await self._checksums.offer(head)
        noted = described["Metadata"].get(_SHA256)
        if noted is None and not described.get("ChecksumSHA256"):
            return None
        digest = await self._digest_of(key)
        if noted not in (None, digest):
            _log.warning("object is not what was written", key=key)
            return None
        return StoredObject(key, described["ContentLength"], digest, described["ContentType"])

    async def _verify(self, key: str, content: DocumentContent) -> None:
        """Read an object back. If it is not what was written, delete it.

        Raises:
            StorageFailure: It is not, or it cannot be read.
        """
        async with self._requests(f"The store did not give {key} back", right="s3:GetObject", permanent=False):
            if await self._digest_of(key) == content.sha256.hex():
                return
        async with self._requests(f"The store did not delete {key}", right="s3:DeleteObject", optional=True):
            await self._client.delete_object(Bucket=self._bucket, Key=key)
        raise StorageFailure(f"The store gave {key} back with other bytes than were written.")

    async def _digest_of(self, key: str) -> str:
        digest = hashlib.sha256()
        answer = await self._client.get_object(Bucket=self._bucket, Key=key)
        async with answer["Body"]:
            async for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    @asynccontextmanager
    async def _requests(
        self, what: str, *, right: str, where: str | None = None, permanent: bool = True, optional: bool = False
    ) -> AsyncIterator[None]:
        """Send requests to the bucket, located first, and report what goes wrong as `StorageFailure`.

        Args:
            what: What failed then, as the beginning of a sentence.
            right: The S3 action that is needed.
            where: What it is needed for. None for the documents.
            permanent: Whether a refusal may be one for good.
            optional: Whether the block may go undone where the store does not know or allow it.
        """
        try:
            await self._locator.locate()
        except STORE_ERRORS as error:
            raise failure_of(error, what, right="s3:ListBucket", where=self._bucket) from None
        try:
            with naming_ended_keys():
                yield
        except STORE_ERRORS as error:
            failure = failure_of(error, what, right=right, where=where or f"{self._bucket}/{DOCUMENTS_PREFIX}*")
            failure.permanent &= permanent
            if not (optional and is_refusal(error)):
                raise failure from None
            _log.warning("store refuses an optional request", detail=str(failure))


def name_of(metadata: dict[str, str]) -> str | None:
    """Return the document's name from an object's metadata, where it is percent-encoded UTF-8."""
    return unquote(metadata[_NAME]) if _NAME in metadata else None
