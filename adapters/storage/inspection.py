"""An operator's questions about the bucket: a probe object's round trip, and its link as a client opens it."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import aiohttp
from botocore.exceptions import ClientError
from yarl import URL

from adapters.storage.connection import open_s3, read_clock_skew
from adapters.storage.errors import STORE_ERRORS, is_refusal, storage_failure, translating_expired_keys
from adapters.storage.object_store import ObjectStore
from adapters.storage.presigned_urls import LinkSigner
from adapters.storage.uploads import ChecksumSupport, Target
from domain.documents import Document, DocumentStatus, StoredObject
from domain.listings import Instance
from domain.secrecy import Secrecy
from domain.storage import DOCUMENTS_PREFIX, PROBE_PREFIX, StorageAddress

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

_LINK_TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)
_LINK_TTL = timedelta(minutes=5)
_MAX_ANSWER_BYTES = 4096
_ERROR_CODE = re.compile(rb"<Code>([A-Za-z]{1,60})</Code>")


@dataclass(frozen=True, slots=True)
class ProbeObject:
    """A small object that was written to the bucket.

    Attributes:
        body: Its bytes.
        version: The version's id, if the bucket keeps versions.
    """

    stored: StoredObject
    body: bytes
    version: str | None


@dataclass(frozen=True, slots=True)
class LinkAnswer:
    """What a client gets that opens a link.

    Attributes:
        host: Where the link leads, without its signature.
        status: None if nothing answers.
        reason: Why nothing answers, or the store's error code. None if it gave neither.
        is_whole: The object's bytes came back.
        allowed_origin: The origin whose pages may read the answer (CORS). None if the store allows none.
    """

    host: str
    status: int | None
    reason: str | None = None
    is_whole: bool = False
    allowed_origin: str | None = None


class BucketInspector:
    """Looks at a bucket. What it writes is one probe object at a time.

    Attributes:
        clock_skew: How far the store's clock is ahead of ours, by its last answer. None if none has said so.
    """

    def __init__(self, client: S3Client, address: StorageAddress, signer: LinkSigner, store: ObjectStore) -> None:
        self.clock_skew: timedelta | None = None
        self._client = client
        self._bucket = address.bucket
        self._signer = signer
        self._store = store
        self._checksums = ChecksumSupport()

    @classmethod
    async def open(cls, stack: AsyncExitStack, address: StorageAddress, public: StorageAddress) -> Self:
        """Open an inspector, which is closed with the stack.

        Args:
            stack: Closes the connections.
            address: The bucket at the address that this service uses.
            public: The bucket at the address that links point to.

        Raises:
            ConfigurationError: There are no keys.
        """
        client = await stack.enter_async_context(open_s3(address, connections=4))
        store = ObjectStore(client, address)
        return cls(client, address, await LinkSigner.open(public, _LINK_TTL, store), store)

    async def check(self) -> None:
        """Check that the bucket answers and lets us list it.

        Raises:
            StorageFailure: It does not.
        """
        what = f"The bucket {self._bucket} does not answer"
        async with self._request_scope(what, right="s3:ListBucket", where=self._bucket):
            # Finds out the addressing style and the region, as the service does. Never raises.
            await self._store.location()
            response = await self._client.list_objects_v2(Bucket=self._bucket, Prefix=PROBE_PREFIX, MaxKeys=1)
            self._keep_clock(response)

    async def write_probe(self) -> ProbeObject:
        """Write a small object under a key that nothing else uses.

        Raises:
            StorageFailure: The store did not take it.
        """
        body = f"{datetime.now(UTC).isoformat()} {secrets.token_hex(8)}".encode()
        key = f"{PROBE_PREFIX}{secrets.token_hex(8)}"
        digest = hashlib.sha256(body)

        async def put(with_checksum: bool) -> Any:
            extra: Any = {"ChecksumSHA256": base64.b64encode(digest.digest()).decode()} if with_checksum else {}
            return await self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType="text/plain", **extra
            )

        async with self._request_scope(f"The bucket {self._bucket} takes no writes", right="s3:PutObject"):
            response = await self._checksums.try_with_checksum(put)
            self._keep_clock(response)
        return ProbeObject(
            StoredObject(key, len(body), digest.hexdigest(), "text/plain"), body, response.get("VersionId")
        )

    async def read_probe(self, probe: ProbeObject) -> None:
        """Read the object back.

        Raises:
            StorageFailure: The store did not return it, or returned other bytes.
        """
        async for _ in self._store.read(probe.stored):
            pass

    async def delete_probe(self, probe: ProbeObject) -> bool:
        """Delete the object, in a bucket with versions its version too.

        Returns:
            False if the bucket keeps its version, because our key may not delete versions.

        Raises:
            StorageFailure: The store did not delete it.
        """
        target = Target(Bucket=self._bucket, Key=probe.stored.key)
        async with self._request_scope(
            f"The bucket {self._bucket} does not delete the probe object {probe.stored.key}",
            right="s3:DeleteObject",
        ):
            if probe.version is not None:
                try:
                    await self._client.delete_object(**target, VersionId=probe.version)
                except ClientError as error:
                    if not is_refusal(error):
                        raise
                else:
                    return True
            await self._client.delete_object(**target)
        return probe.version is None

    async def open_link(self, probe: ProbeObject, *, origin: str) -> LinkAnswer:
        """Open a presigned link to the object as a client does, over HTTP and without our keys.

        Args:
            probe: The object.
            origin: The origin of the page that asks, for the store's CORS rules.

        Raises:
            DependencyUnavailable: The temporary keys have expired.
        """
        link = await self._signer.sign(_document_of(probe.stored))
        assert link is not None  # noqa: S101 - the document is available.
        host = urlsplit(link.url).netloc.rpartition("@")[2]
        # A proxy that the variables name is used, as by everything else that leaves this machine.
        async with aiohttp.ClientSession(timeout=_LINK_TIMEOUT, trust_env=True) as http:
            try:
                async with http.get(URL(link.url, encoded=True), headers={"Origin": origin}) as response:
                    body = await response.content.read(_MAX_ANSWER_BYTES)
            except aiohttp.ClientConnectorDNSError:
                return LinkAnswer(host, None, "its name cannot be resolved")
            except aiohttp.ClientConnectorCertificateError:
                return LinkAnswer(host, None, "its certificate is not trusted")
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                return LinkAnswer(host, None, type(error).__name__)
        code = _ERROR_CODE.search(body)
        return LinkAnswer(
            host,
            response.status,
            code[1].decode() if code else None,
            is_whole=response.status == 200 and body == probe.body,
            allowed_origin=response.headers.get("Access-Control-Allow-Origin"),
        )

    def _keep_clock(self, response: Any) -> None:
        skew = read_clock_skew(response)
        if skew is not None:
            self.clock_skew = skew

    @asynccontextmanager
    async def _request_scope(self, what: str, *, right: str, where: str | None = None) -> AsyncIterator[None]:
        try:
            with translating_expired_keys():
                yield
        except STORE_ERRORS as error:
            if isinstance(error, ClientError):
                self._keep_clock(error.response)
            where = where or f"{self._bucket}/{DOCUMENTS_PREFIX}*"
            raise storage_failure(error, what, right=right, where=where) from None


def _document_of(stored: StoredObject) -> Document:
    return Document(
        id="probe",
        position=1,
        status=DocumentStatus.AVAILABLE,
        name="probe",
        type_name=None,
        filed_at=None,
        instance=Instance(key="probe"),
        secrecy=Secrecy.PUBLIC,
        pages=None,
        stored=stored,
    )
