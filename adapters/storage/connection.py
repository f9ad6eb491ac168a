"""The S3 client of a bucket, with detection of its region and addressing style."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aioboto3
import structlog
from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError

from adapters.storage.errors import (
    STORE_ERRORS,
    error_code,
    is_refusal,
    may_refuse_path_style,
    translating_expired_keys,
)
from adapters.storage.write_requests import simplify_writes
from domain.storage import WRITE_CHECK_KEY, AddressingStyle, StorageAddress
from domain.version import VERSION

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

# Signing a link waits at most this long for the store, and retries at most this often.
_LOCATE_TIMEOUT_SECONDS = 2.0
_RETRY_INTERVAL_SECONDS = 30.0

_log = structlog.get_logger()


@asynccontextmanager
async def open_s3(address: StorageAddress, *, connections: int = 32) -> AsyncIterator[S3Client]:
    """Open an S3 client for the duration of the block. It connects at the first request."""
    session = aioboto3.Session()
    config = AioConfig(
        signature_version="s3v4",
        max_pool_connections=connections,
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "max_attempts": 3},
        # Without an explicit style, botocore signs links for AWS's global host. That host redirects to the region's
        # host, where the signature is wrong.
        s3={
            "addressing_style": initial_addressing_style(address).value,
            "us_east_1_regional_endpoint": "regional",
        },
        # Every put carries its own SHA-256; a second checksum would only cost time.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # botocore's own is put together twice for each request, which takes as long as hashing a document.
        user_agent=f"autos/{VERSION}",
    )
    async with session.client(
        "s3",
        endpoint_url=address.endpoint_url,
        region_name=address.region,
        aws_access_key_id=address.access_key_id,
        aws_secret_access_key=address.secret_access_key,
        config=config,
    ) as client:
        simplify_writes(client)
        yield client


def initial_addressing_style(address: StorageAddress) -> AddressingStyle:
    """Return the addressing style to use until the store refuses it.

    Self-hosted stores seldom have a host name for each bucket. AWS has.
    """
    if address.addressing_style is not AddressingStyle.AUTO:
        return address.addressing_style
    return AddressingStyle.PATH if address.endpoint_url else AddressingStyle.VIRTUAL


@dataclass(frozen=True, slots=True)
class BucketLocation:
    """The detected region and addressing style of a bucket.

    Attributes:
        region: The region that requests are signed for.
        refuses_path: The store does not accept the bucket in the path of requests.
    """

    region: str
    refuses_path: bool = False

    def applied_to(self, address: StorageAddress) -> StorageAddress:
        """Return an address of the bucket with the detected region and style."""
        style = AddressingStyle.VIRTUAL if self.refuses_path else address.addressing_style
        return replace(address, region=self.region, addressing_style=style)


class BucketLocator:
    """Detects the region and addressing style of the bucket once, and applies them to the client.

    Stores differ: some accept the bucket only in the path of requests, others only in the host name. AWS redirects
    to the bucket's region.

    Args:
        client: The client of the bucket. The detected values change how it sends requests.
        address: The bucket.
    """

    def __init__(self, client: S3Client, address: StorageAddress) -> None:
        self._client = client
        self._address = address
        self._refuses_path = False
        self._region = address.region
        self._configured = BucketLocation(address.region)
        explicit = address.endpoint_url is not None and address.addressing_style is not AddressingStyle.AUTO
        self._detected = self._configured if explicit else None
        self._retry_at = 0.0
        self._lock = asyncio.Lock()
        client.meta.events.register("before-endpoint-resolution.s3", self._before_each_request)

    async def locate(self) -> BucketLocation:
        """Return the location of the bucket. Asks the store until it has answered once.

        Raises:
            BotoCoreError, ClientError: The store did not answer, or refused the request.
        """
        if self._detected is None:
            async with self._lock:
                if self._detected is None:
                    with translating_expired_keys():
                        self._detected = await self._detect()
        return self._detected

    async def locate_or_default(self) -> BucketLocation:
        """Return the location of the bucket, or the configured one if the store does not answer at once."""
        if self._detected is None and time.monotonic() >= self._retry_at:
            try:
                async with asyncio.timeout(_LOCATE_TIMEOUT_SECONDS):
                    return await self.locate()
            except (*STORE_ERRORS, TimeoutError) as error:
                self._retry_at = time.monotonic() + _RETRY_INTERVAL_SECONDS
                _log.warning("bucket not located", bucket=self._address.bucket, reason=error_code(error))
        return self._detected or self._configured

    async def _detect(self) -> BucketLocation:
        try:
            await self._send_probe()
        except ClientError as error:
            auto = self._address.addressing_style is AddressingStyle.AUTO
            if auto and self._address.endpoint_url and may_refuse_path_style(error):
                await self._try_virtual_style(error)
            elif not is_refusal(error):
                raise
        located = BucketLocation(self._region, self._refuses_path)
        if located != self._configured:
            _log.info("bucket located", region=located.region, refuses_path=located.refuses_path)
        return located

    async def _try_virtual_style(self, path_style_error: ClientError) -> None:
        self._refuses_path = True
        try:
            await self._send_probe()
        except STORE_ERRORS as error:
            if not is_refusal(error):
                self._refuses_path = False
                raise path_style_error from None

    async def _send_probe(self) -> None:
        # Not HEAD: its error responses have no body, and so no error code.
        await self._client.list_objects_v2(Bucket=self._address.bucket, Prefix=WRITE_CHECK_KEY, MaxKeys=1)

    def _before_each_request(self, builtins: dict[str, Any], **_: object) -> None:
        # After a redirect by AWS, botocore has put the right region here.
        self._region = builtins["AWS::Region"]
        if self._refuses_path:
            builtins["AWS::S3::ForcePathStyle"] = False


def read_clock_skew(response: Any) -> timedelta | None:
    """Return how far the store's clock is ahead of ours, by the ``Date`` of a response. None if it states none."""
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        stated = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    return (stated if stated.tzinfo else stated.replace(tzinfo=UTC)) - datetime.now(UTC)
