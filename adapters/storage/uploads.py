"""Writing objects in one request or as a multipart upload, with checksums where the store supports them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import structlog
from botocore.exceptions import ClientError

from adapters.storage.errors import STORE_ERRORS, error_code, may_refuse_checksums

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 8 * 1024**2
# A cancelled activity waits this long for the abort of its upload. After that the upload is left to the sweep.
_ABORT_SECONDS = 10.0

_Response = TypeVar("_Response")
_log = structlog.get_logger()


class Target(TypedDict):
    """The bucket and key of an object."""

    Bucket: str
    Key: str


class ObjectAttributes(TypedDict):
    """The media type and metadata of an object."""

    ContentType: str
    Metadata: dict[str, str]


class ChecksumSupport:
    """Whether the store supports the SHA-256 checksum of a write. Detected once and remembered.

    There are three kinds of stores: those that verify it and confirm it in their response, those that ignore it,
    and those that refuse requests with it.
    """

    def __init__(self) -> None:
        self._sent = True
        self._confirmed = True

    async def try_with_checksum(self, write: Callable[[bool], Awaitable[_Response]]) -> _Response:
        """Send a request with a checksum, and without one if the store refuses checksums.

        Args:
            write: Sends the request, with a checksum if its argument is True.
        """
        if not self._sent:
            return await write(False)
        try:
            return await write(True)
        except ClientError as error:
            if not may_refuse_checksums(error):
                raise
            response = await write(False)
            if self._sent:
                self._sent = False
                _log.warning("store refuses checksums, objects are read back", reason=error_code(error))
            return response

    def record_confirmation(self, confirmed: bool) -> None:
        """Remember whether the store confirmed the checksum of a write."""
        if self._sent and self._confirmed and not confirmed:
            _log.warning("store confirms no checksums, objects are read back")
        self._confirmed = confirmed


async def put_object(
    client: S3Client,
    checksums: ChecksumSupport,
    target: Target,
    body: bytes,
    sha256: bytes,
    attributes: ObjectAttributes,
) -> bool:
    """Put an object in one request. Return whether the store confirmed its SHA-256."""
    checksum = base64.b64encode(sha256).decode()

    async def put(with_checksum: bool) -> str | None:
        if not with_checksum:
            # Then the request signature contains the body's SHA-256.
            await client.put_object(**target, Body=body, **attributes)
            return None
        response = await client.put_object(**target, Body=body, **attributes, ChecksumSHA256=checksum)
        return response.get("ChecksumSHA256")

    confirmed = await checksums.try_with_checksum(put) == checksum
    checksums.record_confirmation(confirmed)
    return confirmed


@asynccontextmanager
async def upload_in_parts(
    client: S3Client, checksums: ChecksumSupport, target: Target, attributes: ObjectAttributes
) -> AsyncIterator[Upload]:
    """Upload an object in parts. It is created when the block ends. If the block raises, the upload is aborted."""

    async def create(with_checksum: bool) -> str:
        if with_checksum:
            created = await client.create_multipart_upload(**target, **attributes, ChecksumAlgorithm="SHA256")
        else:
            created = await client.create_multipart_upload(**target, **attributes)
        return created["UploadId"]

    upload = Upload(client, checksums, target, await _begin(client, target, checksums.try_with_checksum(create)))
    try:
        yield upload
        await upload.complete()
    except BaseException:
        aborting = asyncio.ensure_future(upload.abort())
        try:
            await asyncio.shield(aborting)
        except asyncio.CancelledError:
            # Cancelled again during the abort: let it finish, then propagate the cancellation.
            await aborting
            raise
        raise


async def _begin(client: S3Client, target: Target, creating: Coroutine[Any, Any, str]) -> str:
    """Return the id of a new upload. If that is cancelled, the upload may have begun all the same: abort it."""
    begun = asyncio.ensure_future(creating)
    try:
        return await asyncio.shield(begun)
    except asyncio.CancelledError:
        try:
            async with asyncio.timeout(_ABORT_SECONDS):
                await abort_upload(client, target, await begun)
        except (*STORE_ERRORS, TimeoutError) as error:
            _log.warning("upload left behind", key=target["Key"], reason=error_code(error))
        raise


class Upload:
    """A multipart upload. One part is sent while the next one is read, and never more than one.

    Attributes:
        confirmed: Whether the store has confirmed the SHA-256 of all parts so far.
    """

    def __init__(self, client: S3Client, checksums: ChecksumSupport, target: Target, upload_id: str) -> None:
        self._client = client
        self._checksums = checksums
        self._target = target
        self._id = upload_id
        self._stored: list[CompletedPartTypeDef] = []
        self._sending: asyncio.Task[CompletedPartTypeDef] | None = None
        self.confirmed = True

    async def send(self, body: bytes) -> None:
        """Start sending a part, as soon as the previous one was stored."""
        await self._wait_for_part()
        self._sending = asyncio.create_task(self._put_part(len(self._stored) + 1, body))

    async def complete(self) -> None:
        """Create the object from the parts."""
        await self._wait_for_part()
        await self._client.complete_multipart_upload(
            **self._target, UploadId=self._id, MultipartUpload={"Parts": self._stored}
        )

    async def abort(self) -> None:
        """Abort the upload. Does not raise, so that the error that caused the abort is reported."""
        if self._sending is not None:
            self._sending.cancel()
            # Wait for it: a part that arrives after the abort would stay in the store.
            await asyncio.gather(self._sending, return_exceptions=True)
        try:
            async with asyncio.timeout(_ABORT_SECONDS):
                await abort_upload(self._client, self._target, self._id)
        except (*STORE_ERRORS, TimeoutError) as error:
            _log.warning("upload left behind", key=self._target["Key"], reason=error_code(error))

    async def _wait_for_part(self) -> None:
        if self._sending is not None:
            self._stored.append(await self._sending)
            self._sending = None

    async def _put_part(self, number: int, body: bytes) -> CompletedPartTypeDef:
        checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()

        async def put(with_checksum: bool) -> CompletedPartTypeDef:
            if not with_checksum:
                part = await self._client.upload_part(
                    **self._target, UploadId=self._id, PartNumber=number, Body=body
                )
                return {"PartNumber": number, "ETag": part["ETag"]}
            part = await self._client.upload_part(
                **self._target, UploadId=self._id, PartNumber=number, Body=body, ChecksumSHA256=checksum
            )
            if part.get("ChecksumSHA256") != checksum:
                return {"PartNumber": number, "ETag": part["ETag"]}
            return {"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": checksum}

        stored = await self._checksums.try_with_checksum(put)
        confirmed = "ChecksumSHA256" in stored
        self._checksums.record_confirmation(confirmed)
        self.confirmed = self.confirmed and confirmed
        return stored


async def abort_upload(client: S3Client, target: Target, upload_id: str) -> bool:
    """Abort an upload. Return False if it no longer exists."""
    try:
        await client.abort_multipart_upload(**target, UploadId=upload_id)
    except client.exceptions.NoSuchUpload:
        return False
    return True
