"""The object store: any S3, over aioboto3."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Self, TypedDict
from urllib.parse import quote, unquote

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from domain.content import DocumentContent
from domain.documents import StoredObject
from domain.errors import DependencyUnavailable, StorageFailure
from domain.filenames import extension
from domain.storage import StorageAddress

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 8 * 1024**2
_SHA256 = "sha256"
_NAME = "name"


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

    async def store(
        self, prefix: str, name: str, content: DocumentContent, media_type_of: Callable[[bytes], str]
    ) -> StoredObject:
        """Put a document's bytes under ``prefix`` plus an extension that fits them.

        Up to one part they go in one request, with their SHA-256, which the store compares; more are put as parts,
        each with its own, and only made an object when the content has ended well. Whatever fails before leaves
        no object and no parts.

        Args:
            prefix: the key without its extension.
            name: the document's name, kept as metadata.
            content: read once, to its end.
            media_type_of: tells the media type from the first bytes.

        Raises:
            DocumentFailure: the content is not a document (from ``content``).
            StorageFailure: the store refused or lost a request.
        """
        parts = _parts(content)
        first = await anext(parts, b"")
        second = await anext(parts, None)
        media_type = media_type_of(content.head)
        key = prefix + extension(media_type)
        # S3 takes two kilobytes of metadata, and a byte of the name may become three.
        metadata = {_NAME: quote(name.encode()[:600].decode(errors="ignore"), safe=" ")}
        try:
            if second is None:
                metadata[_SHA256] = content.sha256.hex()
                await self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=first,
                    ContentType=media_type,
                    Metadata=metadata,
                    ChecksumSHA256=base64.b64encode(content.sha256).decode(),
                )
            else:
                await self._store_parts(key, [first, second], parts, content, media_type, metadata)
        except (BotoCoreError, ClientError, HTTPClientError) as error:
            raise StorageFailure(f"The store did not take {key} ({_reason(error)}).") from None
        return StoredObject(key, content.size_bytes, content.sha256.hex(), media_type)

    async def _store_parts(
        self,
        key: str,
        begun: list[bytes],
        rest: AsyncIterator[bytes],
        content: DocumentContent,
        media_type: str,
        metadata: dict[str, str],
    ) -> None:
        target = _Target(Bucket=self._bucket, Key=key)
        upload = await self._client.create_multipart_upload(
            **target, ContentType=media_type, Metadata=metadata, ChecksumAlgorithm="SHA256"
        )
        upload_id = upload["UploadId"]
        done: list[CompletedPartTypeDef] = []
        try:
            async for body in _chained(begun, rest):
                checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
                number = len(done) + 1
                part = await self._client.upload_part(
                    **target, UploadId=upload_id, PartNumber=number, Body=body, ChecksumSHA256=checksum
                )
                done.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": checksum})
            await self._client.complete_multipart_upload(
                **target, UploadId=upload_id, MultipartUpload={"Parts": done}
            )
        except BaseException:
            await self._client.abort_multipart_upload(**target, UploadId=upload_id)
            raise
        # The digest of the whole is known only now, when the object's metadata can no longer be changed.
        await self._client.put_object_tagging(
            **target, Tagging={"TagSet": [{"Key": _SHA256, "Value": content.sha256.hex()}]}
        )

    async def find(self, prefix: str) -> StoredObject | None:
        """The object that an earlier attempt has put under ``prefix``, if it is there with its digest.

        Raises:
            StorageFailure: the store refused or lost a request.
        """
        try:
            listed = await self._client.list_objects_v2(Bucket=self._bucket, Prefix=f"{prefix}.", MaxKeys=1)
            for item in listed.get("Contents", []):
                key = item["Key"]
                head = await self._client.head_object(Bucket=self._bucket, Key=key)
                digest = head["Metadata"].get(_SHA256)
                if digest is None:
                    tags = await self._client.get_object_tagging(Bucket=self._bucket, Key=key)
                    digest = next((tag["Value"] for tag in tags["TagSet"] if tag["Key"] == _SHA256), None)
                if digest is not None:
                    return StoredObject(key, head["ContentLength"], digest, head["ContentType"])
        except (BotoCoreError, ClientError, HTTPClientError) as error:
            raise StorageFailure(f"The store did not say what is under {prefix} ({_reason(error)}).") from None
        return None


def name_of(metadata: dict[str, str]) -> str | None:
    """The document's name from an object's metadata, where it is percent-encoded UTF-8."""
    return unquote(metadata[_NAME]) if _NAME in metadata else None


async def _parts(content: DocumentContent) -> AsyncIterator[bytes]:
    buffer = bytearray()
    async for chunk in content:
        buffer += chunk
        while len(buffer) > PART_BYTES:
            yield bytes(buffer[:PART_BYTES])
            del buffer[:PART_BYTES]
    if buffer:
        yield bytes(buffer)


async def _chained(begun: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while begun:
        yield begun.pop(0)
    async for body in rest:
        yield body


def _reason(error: Exception) -> str:
    # Never the error's text: it may hold the address with its signature.
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__
