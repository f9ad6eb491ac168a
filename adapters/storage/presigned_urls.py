"""Links to stored documents, signed when they are handed out and never kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import aioboto3
import structlog
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError

from adapters.storage.connection import BucketLocation, open_s3
from domain.documents import Document, Link
from domain.errors import ConfigurationError, DependencyUnavailable
from domain.filenames import content_disposition, safe_filename
from domain.storage import StorageAddress

if TYPE_CHECKING:
    from aiobotocore.credentials import AioCredentials
    from botocore.credentials import ReadOnlyCredentials

    from adapters.storage.object_store import ObjectStore

_SIGNED_IN_A_ROW = 16
# Where renewing temporary keys gives the same ones, it is not tried at each link.
_RENEW_AGAIN_SECONDS = 60.0
# What botocore does by itself: it renews keys a quarter of an hour before their end.
_RENEWED_BEFORE_END = timedelta(minutes=15)

_log = structlog.get_logger()


class LinkSigner:
    """Signs links with the store's own keys, without asking the store.

    Uses botocore's signer itself: its client would resolve the same address anew for every link, which takes five
    times as long as the signature.

    Args:
        keys: Whose links they are.
        address: Where the bucket is for those who open links.
        ttl: How long a link lives at most; the store counts whole seconds.
        store: Knows how and where the bucket is addressed. None for what the address says.
    """

    def __init__(
        self, keys: SigningKeys, address: StorageAddress, ttl: timedelta, store: ObjectStore | None = None
    ) -> None:
        self._keys = keys
        self._address = address
        self._ttl = ttl
        self._store = store
        self._location = BucketLocation(address.region)
        self._base_url: str | None = None

    @classmethod
    async def open(cls, address: StorageAddress, ttl: timedelta, store: ObjectStore | None = None) -> Self:
        """Return a signer for the bucket at this address.

        Raises:
            ConfigurationError: There are no keys to sign with.
        """
        session = aioboto3.Session(
            aws_access_key_id=address.access_key_id, aws_secret_access_key=address.secret_access_key
        )
        # The published types have it synchronous.
        credentials = await session.get_credentials()  # type: ignore[misc]
        if credentials is None:
            raise ConfigurationError(
                "There are no S3 keys: set AUTOS_S3_ACCESS_KEY_ID and AUTOS_S3_SECRET_ACCESS_KEY, or AWS's own."
            )
        return cls(SigningKeys(credentials, renew_before_end=ttl), address, ttl, store)

    async def sign(self, document: Document) -> Link | None:
        """Return a fresh link that saves the document under its own name. None while it is not available."""
        return (await self.sign_all([document])).get(document.id)

    async def sign_all(self, documents: Sequence[Document]) -> dict[str, Link]:
        """Return fresh links for those documents that are available, by id.

        Raises:
            DependencyUnavailable: The temporary keys have ended and are not renewed.
        """
        base_url = await self._locate()
        keys, keys_end_at = await self._keys.current()
        # Taken before signing and cut to whole seconds, as the signatures' own time is: no link ends before the
        # moment that we state.
        now = datetime.now(UTC).replace(microsecond=0)
        expires_at = min(now + self._ttl, (keys_end_at or datetime.max.replace(tzinfo=UTC)).replace(microsecond=0))
        if expires_at <= now:
            raise DependencyUnavailable("storage", "The temporary S3 keys have ended: bring new ones.")
        seconds = int((expires_at - now).total_seconds())
        signer = S3SigV4QueryAuth(keys, "s3", self._location.region, expires=seconds)
        links = {}
        for place, document in enumerate(documents):
            if place % _SIGNED_IN_A_ROW == _SIGNED_IN_A_ROW - 1:
                # A page takes tens of milliseconds, in which nobody else would be answered.
                await asyncio.sleep(0)
            stored = document.stored
            if stored is None:
                continue
            filename = safe_filename(document.name, fallback=document.id, media_type=stored.media_type)
            request = AWSRequest(
                "GET",
                base_url + quote(stored.key, safe="/-_.~"),
                params={
                    "response-content-disposition": content_disposition(filename),
                    "response-content-type": stored.media_type,
                },
            )
            signer.add_auth(request)
            links[document.id] = Link(str(request.url), expires_at)
        return links

    async def _locate(self) -> str:
        """Return where the bucket's objects are for those who open links, with a slash at the end."""
        location = await self._store.location() if self._store else self._location
        if self._base_url is None or location != self._location:
            # Signed with no real keys: only its address is of use.
            nobody = replace(self._address, access_key_id="nobody", secret_access_key="nothing")  # noqa: S106
            async with open_s3(location.applied_to(nobody)) as client:
                # By path or by host, and which host: botocore knows where a bucket is.
                sample = await client.generate_presigned_url(
                    "get_object", Params={"Bucket": self._address.bucket, "Key": "k"}
                )
            self._location = location
            self._base_url = sample.partition("?")[0].removesuffix("k")
        return self._base_url


class SigningKeys:
    """The keys that links are signed with, and when they end. A link is good for no longer than they are.

    Args:
        credentials: As botocore finds them. Temporary ones are renewed as it does it, or sooner.
        renew_before_end: Keys that live no longer than this are renewed, if that gives others.
    """

    def __init__(self, credentials: AioCredentials, *, renew_before_end: timedelta) -> None:
        self._credentials = credentials
        self._renew_before_end = max(renew_before_end, _RENEWED_BEFORE_END)
        self._renewed_at: float | None = None
        # botocore knows the end of what it renews itself: the keys of roles, machines and containers.
        self._renewable = hasattr(credentials, "_expiry_time")
        if not self._renewable and credentials.token:
            _log.warning(
                "session token without AWS_CREDENTIAL_EXPIRATION: links may end before the time they state"
            )

    async def current(self) -> tuple[ReadOnlyCredentials, datetime | None]:
        """Return the keys and the moment of their end. None if they do not end, or do not say when.

        Raises:
            DependencyUnavailable: They have ended and could not be renewed.
        """
        if not self._renewable:
            return await self._credentials.get_frozen_credentials(), None
        credentials: Any = self._credentials
        due = self._renewed_at is None or time.monotonic() - self._renewed_at > _RENEW_AGAIN_SECONDS
        if due:
            self._renewed_at = time.monotonic()
        # botocore has no other way to say when keys are renewed, or to ask when they end.
        credentials._advisory_refresh_timeout = (
            self._renew_before_end if due else _RENEWED_BEFORE_END
        ).total_seconds()
        try:
            frozen = await credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError, RuntimeError) as error:
            raise DependencyUnavailable(
                "storage", f"The temporary S3 keys could not be renewed ({type(error).__name__})."
            ) from None
        ends_at: datetime | None = credentials._expiry_time
        return frozen, ends_at.astimezone(UTC) if ends_at else None
