"""The client of the portal: listings and documents."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from adapters.court_pdpj.diagnosis import FailureDiagnosis
from adapters.court_pdpj.health_check import HealthCheck, classify_search
from adapters.court_pdpj.http import HttpPortal, ObserveRequest, ResponseHead
from adapters.court_pdpj.listing import parse_listing
from adapters.court_pdpj.rate_limiter import RequestRateLimiter
from adapters.court_pdpj.text_payload import unwrap_text
from adapters.court_pdpj.tokens import TokenSource
from adapters.court_pdpj.urls import CourtUrls
from domain.documents import ContentOffer
from domain.errors import CourtFailure, DocumentFailure, FailureCode, ProcessFailure
from domain.listings import Listing
from domain.process_number import ProcessNumber
from domain.spans import NO_TRACES, Tracer

# How content fails when a gateway sends its own page in a document's place, with status 200.
_GATEWAY_PAGE_CODES = frozenset({FailureCode.INVALID_CONTENT, FailureCode.PORTAL_PAGE, FailureCode.EMPTY_DOCUMENT})


@dataclass(frozen=True, slots=True)
class OpenDocument:
    """A document's content while it is downloaded.

    Attributes:
        chunks: The bytes as they arrive.
    """

    chunks: AsyncIterator[bytes]
    _head: ResponseHead

    @property
    def media_type(self) -> str | None:
        """The media type that the court's response states. None before the first bytes have arrived."""
        return self._head.media_type


class PdpjClient:
    """Client of the PDPJ portal. Requests are limited in rate, and in number by a semaphore of ``concurrency``.

    Args:
        origin: Scheme and host of the portal.
        tokens: The source of the bearer tokens. They are never logged, and sent to no host but the court's.
        rate_limiter: Awaited before each request, while the request already holds its place in the semaphore. So
            the request is sent as soon as the limiter allows it.
        concurrency: The maximum number of requests in flight.
        user_agent: The User-Agent of every request.
        headers: Further headers of every request. They replace our own headers of the same name.
        allowed_hosts: Hosts of the court besides the portal to which documents' URLs may lead, with their ports if
            they have any. The token goes there too.
        storage_hosts: Hosts to which the court may redirect a request for a document, with their ports if they have
            any. The token never goes there.
        answer_seconds: How long a response may take to begin. The court's gateway gives up after 60 seconds.
        stall_seconds: How long nothing of a response that has begun may arrive.
        max_listing_bytes: How large the details of a process may be once they are decompressed.
        observe: Called for each request with the response's status, or None, and the seconds until it began.
        tracer: Opens a span for each request.

    Raises:
        ConfigurationError: A header cannot be sent.
    """

    def __init__(
        self,
        origin: str,
        *,
        tokens: TokenSource,
        rate_limiter: RequestRateLimiter,
        concurrency: int,
        user_agent: str,
        headers: Mapping[str, str] = MappingProxyType({}),
        allowed_hosts: Collection[str] = frozenset(),
        storage_hosts: Collection[str] = frozenset(),
        answer_seconds: float = 75.0,
        stall_seconds: float = 30.0,
        max_listing_bytes: int = 32 * 1024**2,
        observe: ObserveRequest = lambda _status, _seconds: None,
        tracer: Tracer = NO_TRACES,
    ) -> None:
        self._urls = CourtUrls(origin, allowed_hosts, storage_hosts)
        self._slots = asyncio.Semaphore(concurrency)
        default_headers = {
            "User-Agent": user_agent,
            "Accept-Language": "pt-BR,pt;q=0.9,en;q=0.8",
            "Origin": self._urls.origin,
            "Referer": f"{self._urls.origin}/consulta",
        }
        overridden = {name.lower() for name in headers}
        self._portal = HttpPortal(
            tokens,
            rate_limiter,
            connections=concurrency,
            headers={
                **{name: value for name, value in default_headers.items() if name.lower() not in overridden},
                **headers,
            },
            answer_seconds=answer_seconds,
            stall_seconds=stall_seconds,
            max_json_bytes=max_listing_bytes,
            resolve_redirect=self._urls.resolve_redirect,
            observe=observe,
            tracer=tracer,
        )
        self._diagnosis = FailureDiagnosis(HealthCheck(self._search), tokens)

    async def close(self) -> None:
        """Close the connections."""
        await self._portal.close()

    @property
    def clock_skew(self) -> timedelta | None:
        """How far the court's clock is ahead of ours, by its last response. None if none has said so."""
        return self._portal.clock_skew

    async def probe(self, number: ProcessNumber) -> None:
        """Search for a process to see whether the court answers. What it says about the process does not matter.

        Raises:
            CourtFailure: The court does not answer.
        """
        async with self._slots:
            outcome = await classify_search(self._portal.get_json(self._urls.search_url(number)))
        if isinstance(outcome, CourtFailure):
            raise outcome

    async def list_documents(self, number: ProcessNumber) -> Listing:
        """Request the details of a process, with its documents.

        Raises:
            ProcessFailure: The process is absent or out of reach, its details cannot be parsed, or the court works
                but does not return them.
            CourtFailure: The court does not answer now.
        """
        async with self._slots:
            sent_at = time.monotonic()
            try:
                payload = await self._portal.get_json(self._urls.details_url(number))
                # In a thread: ten thousand documents take a third of a second.
                return await asyncio.to_thread(parse_listing, payload, number, datetime.now(UTC))
            except CourtFailure as failure:
                raise await self._diagnosis.diagnose_listing(number, failure, sent_at) from None
            except ProcessFailure as failure:
                # During an outage, the court may send an error message as JSON with status 200 to everybody.
                if failure.code is not FailureCode.INVALID_LISTING or failure.status is not None:
                    raise
                raise await self._diagnosis.blame_court_if_down(number, failure, sent_at) from None

    @asynccontextmanager
    async def open_document(self, number: ProcessNumber, offer: ContentOffer) -> AsyncIterator[OpenDocument]:
        """Request a document's bytes, or its text.

        The request leaves the semaphore as soon as the bytes have been read to their end.

        Raises:
            DocumentFailure: This document is not available; also while reading.
            CourtFailure: The court does not answer now; also while reading.
        """
        url = self._urls.resolve_document(offer.href)
        head = ResponseHead()
        sent_at = time.monotonic()
        async with aclosing(self._stream(number, url, head, is_text=offer.is_text)) as chunks:
            try:
                yield OpenDocument(chunks, head)
            except DocumentFailure as failure:
                # The bytes were not the document. If the court sends such bytes to everybody, the court is down.
                if failure.code not in _GATEWAY_PAGE_CODES:
                    raise
                async with self._slots:
                    raise await self._diagnosis.blame_court_if_down(number, failure, sent_at) from None

    async def _stream(
        self, number: ProcessNumber, url: str, head: ResponseHead, *, is_text: bool
    ) -> AsyncGenerator[bytes, None]:
        async with self._slots:
            sent_at = time.monotonic()
            body = self._portal.stream(url, head)
            try:
                async with aclosing(unwrap_text(body) if is_text else body) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except CourtFailure as failure:
                raise await self._diagnosis.diagnose_document(number, failure, sent_at) from None
            except DocumentFailure as failure:
                # When a court goes down, all its open connections are lost.
                if failure.code is not FailureCode.CONNECTION_LOST:
                    raise
                raise await self._diagnosis.blame_court_if_down(number, failure, sent_at) from None

    async def _search(self, number: ProcessNumber) -> object:
        # Not with another token: the result would say nothing about the request that has failed.
        return await self._portal.get_json(self._urls.search_url(number), replace_token=False)
