"""Links to stored documents, signed when they are handed out and never kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import aioboto3
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from adapters.storage import open_s3
from domain.documents import Document, Link
from domain.errors import ConfigurationError
from domain.filenames import content_disposition, safe_filename
from domain.storage import StorageAddress

if TYPE_CHECKING:
    from aiobotocore.credentials import AioCredentials

_SIGNED_IN_A_ROW = 16


class LinkSigner:
    """Signs links with the store's own keys, without asking the store.

    Uses botocore's signer itself: its client would resolve the same address anew for every link, which takes five
    times as long as the signature.

    Args:
        credentials: whose links they are; temporary ones are renewed as boto does it.
        base_url: where the bucket's objects are for those who open links, with a slash at the end.
        region: the bucket's region.
        ttl: how long a link lives; the store counts whole seconds.
    """

    def __init__(self, credentials: AioCredentials, base_url: str, region: str, ttl: timedelta) -> None:
        self._credentials = credentials
        self._base_url = base_url
        self._region = region
        self._ttl = ttl

    @classmethod
    async def open(cls, address: StorageAddress, ttl: timedelta) -> Self:
        """A signer for the bucket at this address.

        Raises:
            ConfigurationError: there are no keys to sign with.
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
        async with open_s3(address) as client:
            # By path or by host, and which host: botocore knows where a bucket is.
            sample = await client.generate_presigned_url(
                "get_object", Params={"Bucket": address.bucket, "Key": "k"}
            )
        return cls(credentials, sample.partition("?")[0].removesuffix("k"), address.region, ttl)

    async def sign(self, document: Document) -> Link | None:
        """A fresh link that saves the document under its own name; none while it is not available."""
        return (await self.sign_all([document])).get(document.id)

    async def sign_all(self, documents: Sequence[Document]) -> dict[str, Link]:
        """Fresh links for those documents that are available, by id."""
        signer = S3SigV4QueryAuth(
            await self._credentials.get_frozen_credentials(),
            "s3",
            self._region,
            expires=int(self._ttl.total_seconds()),
        )
        # Taken before signing and cut to whole seconds, as the signatures' own time is: no link ends before the
        # moment that we state.
        expires_at = datetime.now(UTC).replace(microsecond=0) + self._ttl
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
                self._base_url + quote(stored.key, safe="/-_.~"),
                params={
                    "response-content-disposition": content_disposition(filename),
                    "response-content-type": stored.media_type,
                },
            )
            signer.add_auth(request)
            links[document.id] = Link(str(request.url), expires_at)
        return links
