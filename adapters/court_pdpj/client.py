"""Requests to the portal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx

from adapters.court_pdpj.addresses import Addresses
from adapters.court_pdpj.answers import Subject, failure_of
from adapters.court_pdpj.listing import parse_listing
from domain.documents import DocumentSource, Listing
from domain.errors import CourtError, CourtFailure, DocumentFailure, FailureCode, ProcessFailure
from domain.process_number import ProcessNumber

_TIMEOUT = httpx.Timeout(60, connect=10)
_ERROR_BODY_BYTES = 4096
_MAX_LISTING_BYTES = 256 * 1024**2


class PdpjCourt:
    """The PDPJ portal, asked politely: never more than ``concurrency`` requests at a time.

    Args:
        origin: scheme and host of the portal.
        token: the bearer token; never logged, never sent to another host.
        concurrency: requests in flight at most.
        user_agent: how we introduce ourselves.
    """

    def __init__(self, origin: str, *, token: str | None, concurrency: int, user_agent: str) -> None:
        self._addresses = Addresses(origin)
        self._slots = asyncio.Semaphore(concurrency)
        headers = {
            "User-Agent": user_agent,
            "Accept-Language": "pt-BR,pt;q=0.9,en;q=0.8",
            "Origin": self._addresses.origin,
            "Referer": f"{self._addresses.origin}/consulta",
        }
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=_TIMEOUT,
            # A redirect leads to a login page or to another host: following it would carry the token there.
            follow_redirects=False,
            limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def list_documents(self, number: ProcessNumber) -> Listing:
        """Ask for a process and its documents.

        Raises:
            ProcessFailure: absent, out of reach, or its description unreadable.
            CourtFailure: the court cannot answer now.
        """
        async with self._slots:
            try:
                return parse_listing(
                    await self._get_json(self._addresses.details(number)), number, datetime.now(UTC)
                )
            except CourtFailure as failure:
                if failure.status != 500:
                    raise
                # For a process that the data lake does not hold, the details answer 500 where 404 is meant.
                found = await self._get_json(self._addresses.search(number))
                if isinstance(found, dict) and not found.get("content"):
                    raise ProcessFailure(
                        FailureCode.NOT_FOUND, f"{failure.answer}; a search finds no such process."
                    ) from None
                raise

    @asynccontextmanager
    async def open_document(self, source: DocumentSource) -> AsyncIterator[AsyncIterator[bytes]]:
        """Ask for a document's bytes, or for its text if it has nothing else.

        The court's slot is given back as soon as the bytes have been read to their end.

        Raises:
            DocumentFailure: this document cannot be had; also while reading.
            CourtFailure: the court cannot answer now.
        """
        href = source.binary_href or source.text_href
        if href is None:
            raise DocumentFailure(FailureCode.NO_CONTENT_ADDRESS, "The listing gives no address for this document.")
        chunks = self._stream(self._addresses.document(href))
        try:
            yield chunks
        finally:
            await chunks.aclose()

    async def _stream(self, url: str) -> AsyncGenerator[bytes, None]:
        accept = {"Accept": "application/pdf,application/octet-stream,*/*", "Accept-Encoding": "identity"}
        async with self._slots:
            try:
                async with self._http.stream("GET", url, headers=accept) as response:
                    if response.status_code != 200:
                        raise await _failure(response, Subject.DOCUMENT)
                    async for chunk in response.aiter_bytes():
                        yield chunk
            except httpx.InvalidURL:
                raise DocumentFailure(
                    FailureCode.NO_CONTENT_ADDRESS, "The listing gives an address that cannot be asked."
                ) from None
            except httpx.HTTPError as error:
                raise _lost(error, Subject.DOCUMENT) from None

    async def _get_json(self, url: str) -> object:
        accept = {"Accept": "application/json, text/plain, */*"}
        try:
            async with self._http.stream("GET", url, headers=accept) as response:
                if response.status_code != 200:
                    raise await _failure(response, Subject.PROCESS)
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_LISTING_BYTES:
                        raise ProcessFailure(FailureCode.INVALID_LISTING, "The court's answer never ends.")
        except httpx.HTTPError as error:
            raise _lost(error, Subject.PROCESS) from None
        return _parse_json(bytes(body))


def _parse_json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        # The portal's page, or a gateway's, where JSON was asked for: nothing is said about the process.
        raise CourtFailure(FailureCode.COURT_UNAVAILABLE, "HTTP 200 with a body that is not JSON.") from None


async def _failure(response: httpx.Response, subject: Subject) -> CourtError:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= _ERROR_BODY_BYTES:
            break
    return failure_of(response.status_code, response.headers, bytes(body[:_ERROR_BODY_BYTES]), subject)


def _lost(error: httpx.HTTPError, subject: Subject) -> CourtError:
    answer = f"No whole answer ({type(error).__name__})."
    if subject is Subject.DOCUMENT and isinstance(
        error, httpx.ReadError | httpx.ReadTimeout | httpx.RemoteProtocolError | httpx.DecodingError
    ):
        return DocumentFailure(FailureCode.CONNECTION_LOST, answer)
    return CourtFailure(FailureCode.COURT_UNAVAILABLE, answer)
