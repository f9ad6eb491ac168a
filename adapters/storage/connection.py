"""The way to a bucket: its client, and how and where the bucket is addressed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import aioboto3
import structlog
from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError

from adapters.storage.errors import STORE_ERRORS, code_of, is_refusal, may_refuse_path_style, naming_ended_keys
from domain.storage import WRITE_CHECK_KEY, AddressingStyle, StorageAddress

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

# Whoever signs a link waits no longer for the store, and asks again no sooner.
_PATIENCE_SECONDS = 2.0
_ASK_AGAIN_SECONDS = 30.0

_log = structlog.get_logger()


@asynccontextmanager
async def open_s3(address: StorageAddress, *, connections: int = 32) -> AsyncIterator[S3Client]:
    """Open an S3 client for as long as the block lasts. Connecting happens at the first call."""
    session = aioboto3.Session()
    config = AioConfig(
        signature_version="s3v4",
        max_pool_connections=connections,
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "max_attempts": 3},
        # Without a style botocore signs links for AWS's global host, which redirects to the region's own one, where
        # the signature is wrong.
        s3={
            "addressing_style": first_style(address).value,
            "us_east_1_regional_endpoint": "regional",
        },
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


def first_style(address: StorageAddress) -> AddressingStyle:
    """Return how the bucket is addressed as long as the store does not refuse it.

    A store of one's own seldom has a name for each bucket; AWS has.
    """
    if address.addressing_style is not AddressingStyle.AUTO:
        return address.addressing_style
    return AddressingStyle.PATH if address.endpoint_url else AddressingStyle.VIRTUAL


@dataclass(frozen=True, slots=True)
class BucketLocation:
    """What was found out about how and where a bucket is addressed.

    Attributes:
        region: The region that requests are signed for.
        refuses_path: The store does not take the bucket in the path of requests.
    """

    region: str
    refuses_path: bool = False

    def applied_to(self, address: StorageAddress) -> StorageAddress:
        """Return the address of the bucket, or another way to it, with what was found out."""
        style = AddressingStyle.VIRTUAL if self.refuses_path else address.addressing_style
        return replace(address, region=self.region, addressing_style=style)


class BucketLocator:
    """Finds out once how and where the bucket is addressed, and has the client keep to it.

    Stores differ: some take the bucket in the path of requests only, others in the host's name only. AWS redirects
    to the region that the bucket is in.

    Args:
        client: The client of the bucket. What is found out changes how it sends requests.
        address: The bucket.
    """

    def __init__(self, client: S3Client, address: StorageAddress) -> None:
        self._client = client
        self._address = address
        self._refuses_path = False
        self._region = address.region
        self._configured = BucketLocation(address.region)
        told = address.endpoint_url is not None and address.addressing_style is not AddressingStyle.AUTO
        self._found = self._configured if told else None
        self._ask_again_at = 0.0
        self._lock = asyncio.Lock()
        client.meta.events.register("before-endpoint-resolution.s3", self._before_each_request)

    async def locate(self) -> BucketLocation:
        """Return how and where the bucket is addressed. Asks the store until it has answered once.

        Raises:
            BotoCoreError, ClientError: As the client does. The store did not answer, or refused to.
        """
        if self._found is None:
            async with self._lock:
                if self._found is None:
                    with naming_ended_keys():
                        self._found = await self._find_out()
        return self._found

    async def locate_soon(self) -> BucketLocation:
        """Return how and where the bucket is addressed, as it is set if the store does not say so at once."""
        if self._found is None and time.monotonic() >= self._ask_again_at:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    return await self.locate()
            except (*STORE_ERRORS, TimeoutError) as error:
                self._ask_again_at = time.monotonic() + _ASK_AGAIN_SECONDS
                _log.warning("bucket not located", bucket=self._address.bucket, reason=code_of(error))
        return self._found or self._configured

    async def _find_out(self) -> BucketLocation:
        try:
            await self._ask()
        except ClientError as error:
            auto = self._address.addressing_style is AddressingStyle.AUTO
            if auto and self._address.endpoint_url and may_refuse_path_style(error):
                await self._try_virtual(error)
            elif not is_refusal(error):
                raise
        located = BucketLocation(self._region, self._refuses_path)
        if located != self._configured:
            _log.info("bucket located", region=located.region, refuses_path=located.refuses_path)
        return located

    async def _try_virtual(self, refused: ClientError) -> None:
        self._refuses_path = True
        try:
            await self._ask()
        except STORE_ERRORS as error:
            if not is_refusal(error):
                self._refuses_path = False
                raise refused from None

    async def _ask(self) -> None:
        # Not HEAD, which is answered without a code.
        await self._client.list_objects_v2(Bucket=self._address.bucket, Prefix=WRITE_CHECK_KEY, MaxKeys=1)

    def _before_each_request(self, builtins: dict[str, Any], **_: object) -> None:
        # By now botocore has put the region there that AWS redirected it to.
        self._region = builtins["AWS::Region"]
        if self._refuses_path:
            builtins["AWS::S3::ForcePathStyle"] = False
