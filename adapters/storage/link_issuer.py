"""The one way by which links to documents leave: recorded in the access trail, and only then handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from domain.accesses import Access, AccessKind, Recipient
from domain.bundles import Bundle
from domain.documents import Document, Link

if TYPE_CHECKING:
    from adapters.storage.presigned_urls import LinkSigner

# Returns once the access is on record.
RecordAccess: TypeAlias = Callable[[Access], Awaitable[None]]
_Signed = TypeVar("_Signed")


class LinkIssuer:
    """Issues links to documents: each is in the access trail before anybody has it.

    Args:
        signer: Signs the links.
        record: Records an access.
    """

    def __init__(self, signer: LinkSigner, record: RecordAccess) -> None:
        self._signer = signer
        self._record = record

    async def base_url(self) -> str:
        """Return the URL that all links begin with."""
        return await self._signer.resolve_base_url()

    async def issue(
        self,
        documents: Sequence[Document],
        recipient: Recipient,
        *,
        process_number: str,
        how: AccessKind,
        inline: bool = False,
    ) -> dict[str, Link]:
        """Return new links for the documents that are available, by id.

        Args:
            documents: Documents of one process, all of which the recipient may read.
            recipient: Who gets the links.
            process_number: The process.
            how: How the recipient gets them.
            inline: Browsers show PDFs instead of saving them.

        Raises:
            DependencyUnavailable: The access could not be recorded, or there are no keys to sign with.
            ProcessErased: The process was erased since the documents were read.
        """
        ids = tuple(document.id for document in documents if document.stored is not None)
        if not ids:
            return {}
        access = Access(recipient, process_number, how, ids)
        return await self._record_and_sign(access, self._signer.sign_all(documents, inline=inline))

    async def issue_bundle(self, bundle: Bundle, document_ids: Sequence[str], recipient: Recipient) -> Link | None:
        """Return a new link to a bundle. None if it is not ready.

        Args:
            bundle: The bundle, which the recipient may have.
            document_ids: The documents inside, which are handed over with it.
            recipient: Who gets the link.

        Raises:
            DependencyUnavailable: The access could not be recorded, or there are no keys to sign with.
            ProcessErased: The process was erased since the documents were read.
        """
        if bundle.stored is None:
            return None
        access = Access(recipient, bundle.process_number, AccessKind.BUNDLE, tuple(document_ids))
        return await self._record_and_sign(access, self._signer.sign_file(bundle.stored, bundle.filename))

    async def _record_and_sign(self, access: Access, signing: Coroutine[Any, Any, _Signed]) -> _Signed:
        # The database and the signatures take about the same time, so both at once.
        recording = asyncio.ensure_future(self._record(access))
        try:
            signed = await signing
        except BaseException:
            recording.cancel()
            await asyncio.gather(recording, return_exceptions=True)
            raise
        await recording
        return signed
