"""Writing objects: in one request or in parts, with checksums where the store takes them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypedDict, TypeVar

import structlog
from botocore.exceptions import ClientError

from adapters.storage.errors import STORE_ERRORS, code_of, may_refuse_checksums

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 8 * 1024**2
# An activity that is cancelled waits for its abort; one that the store does not answer is left to the sweep.
_ABORT_SECONDS = 10.0

_Answer = TypeVar("_Answer")
_log = structlog.get_logger()


class Target(TypedDict):
    """An object in a bucket."""

    Bucket: str
    Key: str


class Description(TypedDict):
    """What is kept with an object's bytes."""

    ContentType: str
    Metadata: dict[str, str]


class Checksums:
    """What the store does with the SHA-256 that a write carries. Found out once and remembered.

    There are three kinds of stores: those that compare it and confirm it in their answer, those that ignore it, and
    those that refuse requests with it.
    """

    def __init__(self) -> None:
        self._sent = True
        self._confirmed = True

    async def offer(self, write: Callable[[bool], Awaitable[_Answer]]) -> _Answer:
        """Write with a checksum, or without one if that is what the store refuses.

        Args:
            write: Sends the request, with a checksum if it is called with true.
        """
        if not self._sent:
            return await write(False)
        try:
            return await write(True)
        except ClientError as error:
            if not may_refuse_checksums(error):
                raise
            answer = await write(False)
            if self._sent:
                self._sent = False
                _log.warning("store refuses checksums, objects are read back", reason=code_of(error))
            return answer

    def note(self, confirmed: bool) -> None:
        """Remember whether the store confirmed the checksum of a write."""
        if self._sent and self._confirmed and not confirmed:
            _log.warning("store confirms no checksums, objects are read back")
        self._confirmed = confirmed


async def put_object(
    client: S3Client, checksums: Checksums, target: Target, body: bytes, sha256: bytes, description: Description
) -> bool:
    """Put an object in one request. Returns whether the store confirmed its SHA-256."""
    checksum = base64.b64encode(sha256).decode()

    async def put(with_checksum: bool) -> str | None:
        if not with_checksum:
            # The signature holds the body's SHA-256 then, since there is no other checksum.
            await client.put_object(**target, Body=body, **description)
            return None
        answer = await client.put_object(**target, Body=body, **description, ChecksumSHA256=checksum)
        return answer.get("ChecksumSHA256")

    confirmed = await checksums.offer(put) == checksum
    checksums.note(confirmed)
    return confirmed


@asynccontextmanager
async def upload_in_parts(
    client: S3Client, checksums: Checksums, target: Target, description: Description
) -> AsyncIterator[Upload]:
    """Upload an object in parts. It exists when the block ends well; on any other way out the parts are aborted."""

    async def create(with_checksum: bool) -> str:
        if with_checksum:
            begun = await client.create_multipart_upload(**target, **description, ChecksumAlgorithm="SHA256")
        else:
            begun = await client.create_multipart_upload(**target, **description)
        return begun["UploadId"]

    upload = Upload(client, checksums, target, await checksums.offer(create))
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


class Upload:
    """One upload in parts. A part is on its way while the next one is being read, and never more than one.

    Attributes:
        confirmed: Whether the store has confirmed the SHA-256 of every part so far.
    """

    def __init__(self, client: S3Client, checksums: Checksums, target: Target, upload_id: str) -> None:
        self._client = client
        self._checksums = checksums
        self._target = target
        self._id = upload_id
        self._stored: list[CompletedPartTypeDef] = []
        self._sending: asyncio.Task[CompletedPartTypeDef] | None = None
        self.confirmed = True

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
                await abort_upload(self._client, self._target, self._id)
        except (*STORE_ERRORS, TimeoutError) as error:
            _log.warning("upload left behind", key=self._target["Key"], reason=code_of(error))

    async def _arrival(self) -> None:
        if self._sending is not None:
            self._stored.append(await self._sending)
            self._sending = None

    async def _put(self, number: int, body: bytes) -> CompletedPartTypeDef:
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

        stored = await self._checksums.offer(put)
        confirmed = "ChecksumSHA256" in stored
        self._checksums.note(confirmed)
        self.confirmed = self.confirmed and confirmed
        return stored


async def abort_upload(client: S3Client, target: Target, upload_id: str) -> bool:
    """Abort an upload. Returns false if it has ended by itself."""
    try:
        await client.abort_multipart_upload(**target, UploadId=upload_id)
    except client.exceptions.NoSuchUpload:
        return False
    return True
