"""The object store: any S3, over aioboto3."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self, TypedDict
from urllib.parse import quote, unquote

import aioboto3
import structlog
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from domain.content import DocumentContent
from domain.documents import StoredObject
from domain.errors import DependencyUnavailable, StorageFailure
from domain.filenames import extension
from domain.parts import in_parts
from domain.storage import WRITE_CHECK_KEY, StorageAddress

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 8 * 1024**2
_UPLOADS_PER_PAGE = 1000
# An activity that is cancelled waits for its abort; one that the store does not answer is left to the sweep.
_ABORT_SECONDS = 10.0
_CHECK_SECONDS = 10.0
_CHUNK_BYTES = 1024**2
_SHA256 = "sha256"
_NAME = "name"

_log = structlog.get_logger()


@asynccontextmanager
async def open_s3(address: StorageAddress, *, connections: int = 32) -> AsyncIterator[S3Client]:
    """One S3 client, for as long as the block lasts. Connecting happens at the first call."""
    session = aioboto3.Session()
    config = AioConfig(
        signature_version="s3v4",
        max_pool_connections=connections,
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "max_attempts": 3},
        s3={"addressing_style": "path"} if address.endpoint_url else {},
        # Every put carries its own SHA-256; a second checksum would only cost time.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with session.client(
        "s3",
        endpoint_url=address.endpoint_url,
        region_name=address.region,
        aws_access_key_id=address.access_key_id,
        aws_secret_access_key=address.secret_access_key,
        config=config,
    ) as client:
        yield client


class _Target(TypedDict):
    Bucket: str
    Key: str


class ObjectStore:
    """Objects of documents, put whole and verified or not at all."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @classmethod
    async def open(cls, stack: AsyncExitStack, address: StorageAddress, *, connections: int = 32) -> Self:
        """A store whose client lives as long as the stack."""
        return cls(await stack.enter_async_context(open_s3(address, connections=connections)), address.bucket)

    async def check(self) -> None:
        """Ask the bucket for a sign of life.

        Raises:
            DependencyUnavailable: the store does not answer, or the bucket is not there for us.
        """
        try:
            await self._client.head_bucket(Bucket=self._bucket)
        except (BotoCoreError, ClientError) as error:
            raise DependencyUnavailable(
                "storage", f"The bucket {self._bucket} does not answer ({_reason(error)})."
            ) from None

    async def check_write(self) -> None:
        """Write a small object over the one of the last check, as a document would be written.

        A store that answers `check` may still refuse writes: a full disk, a policy, a read-only replica.

        Raises:
            StorageFailure: The store did not take it, or not within ten seconds. The text says why.
        """
        body = datetime.now(UTC).isoformat(timespec="seconds").encode()
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self._client.put_object(
                    Bucket=self._bucket,
                    Key=WRITE_CHECK_KEY,
                    Body=body,
                    ContentType="text/plain",
                    ChecksumSHA256=base64.b64encode(hashlib.sha256(body).digest()).decode(),
                )
        except (BotoCoreError, ClientError, HTTPClientError, TimeoutError) as error:
            raise StorageFailure(f"The bucket {self._bucket} takes no writes ({_reason(error)}).") from None

    async def store(
        self, prefix: str, name: str, content: DocumentContent, media_type_of: Callable[[bytes], str]
    ) -> StoredObject:
        """Put a document's bytes under ``prefix`` plus an extension that fits them.

        Up to one part they go in one request, with their SHA-256, which the store compares; more are put as parts,
        each with its own, and only made an object when the content has ended well. Whatever fails before leaves
        no object and no parts, cancellation included. Of a document, two parts are in memory at most: one on its
        way while the next one is being read.

        Args:
            prefix: the key without its extension.
            name: the document's name, kept as metadata.
            content: read once, to its end.
            media_type_of: tells the media type from the first bytes.

        Raises:
            DocumentFailure: the content is not a document (from ``content``).
            StorageFailure: the store refused or lost a request.
        """
        async with aclosing(in_parts(content, PART_BYTES)) as parts:
            body, last = await anext(parts)
            media_type = media_type_of(content.head)
            key = prefix + extension(media_type)
            target = _Target(Bucket=self._bucket, Key=key)
            # S3 takes two kilobytes of metadata, and a byte of the name may become three.
            metadata = {_NAME: quote(name.encode()[:600].decode(errors="ignore"), safe=" ")}
            try:
                if last:
                    await self._put_whole(target, body, content.sha256, media_type, metadata)
                else:
                    async with self._upload(target, media_type, metadata) as upload:
                        await upload.send(body)
                        async for body, _ in parts:
                            await upload.send(body)
                    # The digest of the whole is known only now, when the metadata can no longer be changed.
                    await self._client.put_object_tagging(
                        **target, Tagging={"TagSet": [{"Key": _SHA256, "Value": content.sha256.hex()}]}
                    )
            except (BotoCoreError, ClientError, HTTPClientError) as error:
                raise StorageFailure(f"The store did not take {key} ({_reason(error)}).") from None
        return StoredObject(key, content.size_bytes, content.sha256.hex(), media_type)

    async def _put_whole(
        self, target: _Target, body: bytes, sha256: bytes, media_type: str, metadata: dict[str, str]
    ) -> None:
        await self._client.put_object(
            **target,
            Body=body,
            ContentType=media_type,
            Metadata={**metadata, _SHA256: sha256.hex()},
            ChecksumSHA256=base64.b64encode(sha256).decode(),
        )

    @asynccontextmanager
    async def _upload(self, target: _Target, media_type: str, metadata: dict[str, str]) -> AsyncIterator[_Upload]:
        """An upload in parts: an object when the block ends well, aborted on any other way out."""
        begun = await self._client.create_multipart_upload(
            **target, ContentType=media_type, Metadata=metadata, ChecksumAlgorithm="SHA256"
        )
        upload = _Upload(self._client, target, begun["UploadId"])
        try:
            yield upload
            await upload.complete()
        except BaseException:
            aborting = asyncio.ensure_future(upload.abort())
            try:
                await asyncio.shield(aborting)
            except asyncio.CancelledError:
                # Cancelled once more: as before, but not before the abort is done.
                await aborting
                raise
            raise

    async def abort_uploads(self, prefix: str, *, older_than: timedelta) -> int:
        """Abort what uploads in parts have left under ``prefix``, and say how many.

        Nothing but such an upload is touched. One that is still at work fails at its next part.

        Args:
            prefix: the beginning of the keys.
            older_than: younger uploads are let be; zero lets none be, whatever the store's clock says.

        Raises:
            StorageFailure: the store refused or lost a request.
        """
        begun_before = datetime.now(UTC) - older_than
        aborted = 0
        try:
            # By its paginator alone: there are stores that give one of the two markers and go by that one only.
            async for page in self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=prefix, PaginationConfig={"PageSize": _UPLOADS_PER_PAGE}
            ):
                for upload in page.get("Uploads", []):
                    if not older_than or upload["Initiated"] < begun_before:
                        target = _Target(Bucket=self._bucket, Key=upload["Key"])
                        aborted += await _abort(self._client, target, upload["UploadId"])
        except (BotoCoreError, ClientError, HTTPClientError) as error:
            raise StorageFailure(f"The store did not abort what is under {prefix} ({_reason(error)}).") from None
        return aborted

    async def find(self, prefix: str, *, size_bytes: int | None = None) -> StoredObject | None:
        """Return the whole object that an earlier attempt left under ``prefix``. None if there is none.

        An object is only ever made of content that was verified. One whose digest is not noted with it was put in
        parts by a worker that died before it could note it: it is read and hashed here.

        Args:
            prefix: The key without its extension.
            size_bytes: The size that the court lists now. An object of another size is another version of the
                document and is not returned. None accepts any size.

        Raises:
            StorageFailure: The store refused or lost a request.
        """
        try:
            listed = await self._client.list_objects_v2(Bucket=self._bucket, Prefix=f"{prefix}.")
            for item in listed.get("Contents", []):
                if size_bytes is None or item["Size"] == size_bytes:
                    return await self._verified(item["Key"])
        except (BotoCoreError, ClientError, HTTPClientError) as error:
            raise StorageFailure(f"The store did not say what is under {prefix} ({_reason(error)}).") from None
        return None

    async def _verified(self, key: str) -> StoredObject:
        """Describe an object, with the digest noted with it or made anew from its bytes."""
        head = await self._client.head_object(Bucket=self._bucket, Key=key)
        digest = head["Metadata"].get(_SHA256)
        if digest is None:
            tags = await self._client.get_object_tagging(Bucket=self._bucket, Key=key)
            digest = next((tag["Value"] for tag in tags["TagSet"] if tag["Key"] == _SHA256), None)
        if digest is None:
            hashed = hashlib.sha256()
            answer = await self._client.get_object(Bucket=self._bucket, Key=key)
            async with answer["Body"]:
                async for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                    hashed.update(chunk)
            digest = hashed.hexdigest()
        return StoredObject(key, head["ContentLength"], digest, head["ContentType"])


def name_of(metadata: dict[str, str]) -> str | None:
    """The document's name from an object's metadata, where it is percent-encoded UTF-8."""
    return unquote(metadata[_NAME]) if _NAME in metadata else None


class _Upload:
    """One upload in parts. A part is on its way while the next one is being read, and never more than one."""

    def __init__(self, client: S3Client, target: _Target, upload_id: str) -> None:
        self._client = client
        self._target = target
        self._id = upload_id
        self._stored: list[CompletedPartTypeDef] = []
        self._sending: asyncio.Task[CompletedPartTypeDef] | None = None

    async def send(self, body: bytes) -> None:
        """Send a part on its way, as soon as the one before has arrived."""
        await self._arrival()
        self._sending = asyncio.create_task(self._put(len(self._stored) + 1, body))

    async def complete(self) -> None:
        """Make the parts an object."""
        await self._arrival()
        await self._client.complete_multipart_upload(
            **self._target, UploadId=self._id, MultipartUpload={"Parts": self._stored}
        )

    async def abort(self) -> None:
        """Take the parts back. Does not raise: what led here is what is to be told."""
        if self._sending is not None:
            self._sending.cancel()
            # Waited for: a part that arrives behind the abort would stay.
            await asyncio.gather(self._sending, return_exceptions=True)
        try:
            async with asyncio.timeout(_ABORT_SECONDS):
                await _abort(self._client, self._target, self._id)
        except (BotoCoreError, ClientError, HTTPClientError, TimeoutError) as error:
            _log.warning("upload left behind", key=self._target["Key"], reason=_reason(error))

    async def _arrival(self) -> None:
        if self._sending is not None:
            self._stored.append(await self._sending)
            self._sending = None

    async def _put(self, number: int, body: bytes) -> CompletedPartTypeDef:
        checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
        part = await self._client.upload_part(
            **self._target, UploadId=self._id, PartNumber=number, Body=body, ChecksumSHA256=checksum
        )
        return {"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": checksum}


async def _abort(client: S3Client, target: _Target, upload_id: str) -> bool:
    """Abort an upload; false if it has ended by itself."""
    try:
        await client.abort_multipart_upload(**target, UploadId=upload_id)
    except client.exceptions.NoSuchUpload:
        return False
    return True


def _reason(error: Exception) -> str:
    # Never the error's text: it may hold the address with its signature.
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__
