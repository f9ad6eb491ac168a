"""Presigned URLs of stored documents. They are signed when they are returned and never stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import aioboto3
import structlog
from botocore.exceptions import BotoCoreError, ClientError

from adapters.storage.connection import BucketLocation, open_s3
from adapters.storage.query_signer import QuerySigner, response_parameters
from domain.documents import Document, Link, StoredObject
from domain.errors import ConfigurationError, DependencyUnavailable
from domain.filenames import content_disposition, safe_filename
from domain.spans import NO_TRACES, SpanKind, Tracer
from domain.storage import StorageAddress

if TYPE_CHECKING:
    from aiobotocore.credentials import AioCredentials
    from botocore.credentials import ReadOnlyCredentials

    from adapters.storage.object_store import ObjectStore

# About half a millisecond of signing.
_LINKS_BETWEEN_YIELDS = 64
# Courts give the same names over and over ("Petição", "Decisão"), and to make one safe takes longer than to sign.
_CACHED_NAMES = 4096
# If a renewal returns the same temporary keys, it is retried only this often, not for every link.
_RENEWAL_RETRY_SECONDS = 60.0
# The default of botocore: it renews keys a quarter of an hour before they expire.
_DEFAULT_RENEWAL_LEAD = timedelta(minutes=15)

_log = structlog.get_logger()


class LinkSigner:
    """Signs links with the store's keys, without a request to the store.

    Args:
        keys: The keys to sign with.
        address: The bucket's address for those who open links.
        ttl: Maximum lifetime of a link. The store counts whole seconds.
        store: Provides the detected location of the bucket. None means the location in ``address``.
        tracer: Opens a span for each signing of some documents.
    """

    def __init__(
        self,
        keys: SigningKeys,
        address: StorageAddress,
        ttl: timedelta,
        store: ObjectStore | None = None,
        tracer: Tracer = NO_TRACES,
    ) -> None:
        self._keys = keys
        self._address = address
        self._ttl = ttl
        self._store = store
        self._tracer = tracer
        self._location = BucketLocation(address.region)
        self._base_url: str | None = None

    @classmethod
    async def open(
        cls,
        address: StorageAddress,
        ttl: timedelta,
        store: ObjectStore | None = None,
        tracer: Tracer = NO_TRACES,
    ) -> Self:
        """Open a signer for the bucket at this address.

        Raises:
            ConfigurationError: There are no keys to sign with.
        """
        session = aioboto3.Session(
            aws_access_key_id=address.access_key_id, aws_secret_access_key=address.secret_access_key
        )
        credentials = await session.get_credentials()  # type: ignore[misc]  # Stubs say it is not awaitable.
        if credentials is None:
            raise ConfigurationError(
                "There are no S3 keys: set AUTOS_S3_ACCESS_KEY_ID and AUTOS_S3_SECRET_ACCESS_KEY, or AWS's own."
            )
        return cls(SigningKeys(credentials, renew_before_end=ttl), address, ttl, store, tracer)

    async def sign(self, document: Document, *, inline: bool = False) -> Link | None:
        """Return a new link to the document. None if the document is not available.

        Args:
            document: The document.
            inline: Browsers show it instead of saving it under its own name. Only for a PDF.

        Raises:
            DependencyUnavailable: The temporary keys have expired and could not be renewed.
        """
        return (await self.sign_all([document], inline=inline)).get(document.id)

    async def sign_all(self, documents: Sequence[Document], *, inline: bool = False) -> dict[str, Link]:
        """Return new links for the documents that are available, by id.

        Args:
            documents: The documents.
            inline: Browsers show PDFs instead of saving them. All else is saved in any case.

        Raises:
            DependencyUnavailable: The temporary keys have expired and could not be renewed.
        """
        attributes = {"autos.documents": len(documents)}
        with self._tracer.start_span("store sign", SpanKind.INTERNAL, attributes):
            return await self._sign_all(documents, inline=inline)

    async def sign_file(self, stored: StoredObject, filename: str) -> Link:
        """Return a new link to a file that browsers save under a name.

        Raises:
            DependencyUnavailable: The temporary keys have expired and could not be renewed.
        """
        with self._tracer.start_span("store sign", SpanKind.INTERNAL, {"autos.documents": 1}):
            signer, expires_at = await self._open_signer()
            response = response_parameters(
                content_disposition=content_disposition(filename), content_type=stored.media_type
            )
            return Link(signer.sign(stored.key, response), expires_at)

    async def _open_signer(self) -> tuple[QuerySigner, datetime]:
        """Return what signs links now, and when they expire."""
        base_url = await self.resolve_base_url()
        keys, keys_expire_at = await self._keys.current()
        # Read before signing and truncated to whole seconds, as in the signatures. So no link expires before the
        # time that we state.
        now = datetime.now(UTC).replace(microsecond=0)
        expires_at = min(
            now + self._ttl, (keys_expire_at or datetime.max.replace(tzinfo=UTC)).replace(microsecond=0)
        )
        if expires_at <= now:
            raise DependencyUnavailable("storage", "The temporary S3 keys have expired: provide new ones.")
        seconds = int((expires_at - now).total_seconds())
        return QuerySigner(keys, self._location.region, base_url, now, seconds), expires_at

    async def _sign_all(self, documents: Sequence[Document], *, inline: bool) -> dict[str, Link]:
        signer, expires_at = await self._open_signer()
        links = {}
        for index, document in enumerate(documents):
            if index % _LINKS_BETWEEN_YIELDS == _LINKS_BETWEEN_YIELDS - 1:
                # Let the event loop serve other requests while a page is signed.
                await asyncio.sleep(0)
            stored = document.stored
            if stored is None:
                continue
            response = _response_parameters(
                document.name, document.id, stored.media_type, inline=inline and stored.is_pdf
            )
            links[document.id] = Link(signer.sign(stored.key, response), expires_at)
        return links

    async def resolve_base_url(self) -> str:
        """Return the base URL of the bucket's objects for those who open links, with a slash at the end."""
        location = await self._store.location() if self._store else self._location
        if self._base_url is None or location != self._location:
            # Signed with dummy keys, because only the URL is used.
            dummy_keys = replace(self._address, access_key_id="nobody", secret_access_key="nothing")  # noqa: S106
            async with open_s3(location.applied_to(dummy_keys)) as client:
                # Let botocore decide between path and host name, and which host.
                sample = await client.generate_presigned_url(
                    "get_object", Params={"Bucket": self._address.bucket, "Key": "k"}
                )
            self._location = location
            self._base_url = sample.partition("?")[0].removesuffix("k")
        return self._base_url


def _response_parameters(name: str | None, document_id: str, media_type: str, *, inline: bool) -> str:
    """Return the parameters by which the store answers with the document's name and type."""
    # The id is left out of what is cached: with it, no document would find another one's entry.
    named = _named_parameters(name, media_type, inline=inline)
    return named or _build_parameters(
        safe_filename(name, fallback=document_id, media_type=media_type), media_type, inline=inline
    )


@lru_cache(_CACHED_NAMES)
def _named_parameters(name: str | None, media_type: str, *, inline: bool) -> str | None:
    """Return the parameters, or None if nothing is left of the name once it is safe."""
    filename = safe_filename(name, fallback="", media_type=media_type)
    # The extension alone: no safe name begins with a dot.
    return None if filename.startswith(".") else _build_parameters(filename, media_type, inline=inline)


def _build_parameters(filename: str, media_type: str, *, inline: bool) -> str:
    return response_parameters(
        content_disposition=content_disposition(filename, inline=inline), content_type=media_type
    )


class SigningKeys:
    """The keys that sign links, and when they expire. A link is valid no longer than its keys.

    Args:
        credentials: The credentials found by botocore. Temporary ones are renewed by botocore, but earlier.
        renew_before_end: Keys that expire within this time are renewed, if a renewal returns new ones.
    """

    def __init__(self, credentials: AioCredentials, *, renew_before_end: timedelta) -> None:
        self._credentials = credentials
        self._renew_before_end = max(renew_before_end, _DEFAULT_RENEWAL_LEAD)
        self._renewed_at: float | None = None
        # botocore knows the expiry of keys that it renews itself: those of roles, machines and containers.
        self._renewable = hasattr(credentials, "_expiry_time")
        if not self._renewable and credentials.token:
            _log.warning(
                "session token without AWS_CREDENTIAL_EXPIRATION: links may expire before the time they state"
            )

    async def current(self) -> tuple[ReadOnlyCredentials, datetime | None]:
        """Return the keys and when they expire. None if they do not expire, or the time is unknown.

        Raises:
            DependencyUnavailable: They have expired and could not be renewed.
        """
        if not self._renewable:
            return await self._credentials.get_frozen_credentials(), None
        credentials: Any = self._credentials
        due = self._renewed_at is None or time.monotonic() - self._renewed_at > _RENEWAL_RETRY_SECONDS
        if due:
            self._renewed_at = time.monotonic()
        # botocore has no public API to set when keys are renewed, or to read when they expire.
        credentials._advisory_refresh_timeout = (
            self._renew_before_end if due else _DEFAULT_RENEWAL_LEAD
        ).total_seconds()
        try:
            frozen = await credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError, RuntimeError) as error:
            raise DependencyUnavailable(
                "storage", f"The temporary S3 keys could not be renewed ({type(error).__name__})."
            ) from None
        expires_at: datetime | None = credentials._expiry_time
        return frozen, expires_at.astimezone(UTC) if expires_at else None
