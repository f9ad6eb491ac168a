"""What the service asks of the portal: listings and documents."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from adapters.court_pdpj.addresses import Addresses
from adapters.court_pdpj.answers import Ambiguous
from adapters.court_pdpj.health_check import HealthCheck, SearchOutcome, classify_search
from adapters.court_pdpj.listing import parse_listing
from adapters.court_pdpj.pace import Pace
from adapters.court_pdpj.portal import AnswerHead, Portal
from adapters.court_pdpj.texts import unwrapped
from adapters.court_pdpj.tokens import Tokens
from domain.documents import ContentOffer, Listing
from domain.errors import (
    CourtError,
    CourtFailure,
    CourtKnownUnavailable,
    DocumentFailure,
    FailureCode,
    ProcessFailure,
)
from domain.process_number import ProcessNumber

# What a gateway puts in a document's place, with status 200.
_APOLOGIES = frozenset({FailureCode.INVALID_CONTENT, FailureCode.PORTAL_PAGE, FailureCode.EMPTY_DOCUMENT})


@dataclass(frozen=True, slots=True)
class OpenDocument:
    """A document's content on its way.

    Attributes:
        chunks: The bytes as they arrive.
    """

    chunks: AsyncIterator[bytes]
    _head: AnswerHead

    @property
    def media_type(self) -> str | None:
        """The media type that the court's answer states. None before the first bytes have arrived."""
        return self._head.media_type


class PdpjCourt:
    """The PDPJ portal, asked politely: never more than ``concurrency`` requests at a time.

    Args:
        origin: scheme and host of the portal.
        tokens: where the bearer tokens come from; they are never logged, and go to no host but the court's.
        pace: asked before each request. It is waited for in the place of the request, which is then sent at once.
        concurrency: requests in flight at most.
        user_agent: how we introduce ourselves.
        headers: further headers of every request; they take the place of our own of the same name.
        allowed_hosts: hosts of the court's own beside the portal's, to which documents' addresses may lead, with
            their ports if they have any. The token goes there too.
        storage_hosts: hosts to which the court may redirect a request for a document, with their ports if they have
            any. The token never goes there.
        answer_seconds: how long an answer may take to begin; the court's gateway gives up after 60.
        stall_seconds: how long nothing of an answer that has begun may arrive.
        max_listing_bytes: how large the description of a process may be once it is unpacked.

    Raises:
        ConfigurationError: a header that cannot be sent.
    """

    def __init__(
        self,
        origin: str,
        *,
        tokens: Tokens,
        pace: Pace,
        concurrency: int,
        user_agent: str,
        headers: Mapping[str, str] = MappingProxyType({}),
        allowed_hosts: Collection[str] = frozenset(),
        storage_hosts: Collection[str] = frozenset(),
        answer_seconds: float = 75.0,
        stall_seconds: float = 30.0,
        max_listing_bytes: int = 32 * 1024**2,
    ) -> None:
        self._addresses = Addresses(origin, allowed_hosts, storage_hosts)
        self._tokens = tokens
        self._slots = asyncio.Semaphore(concurrency)
        introduction = {
            "User-Agent": user_agent,
            "Accept-Language": "pt-BR,pt;q=0.9,en;q=0.8",
            "Origin": self._addresses.origin,
            "Referer": f"{self._addresses.origin}/consulta",
        }
        given = {name.lower() for name in headers}
        self._portal = Portal(
            tokens,
            pace,
            connections=concurrency,
            headers={**{name: introduction[name] for name in introduction if name.lower() not in given}, **headers},
            answer_seconds=answer_seconds,
            stall_seconds=stall_seconds,
            max_json_bytes=max_listing_bytes,
            follow=self._addresses.redirect,
        )
        self._health_check = HealthCheck(self._search)

    async def close(self) -> None:
        """Close the connections."""
        await self._portal.close()

    async def check(self, number: ProcessNumber) -> None:
        """Search for a process, to see whether the court answers; what it says of the process does not matter.

        Raises:
            CourtFailure: it does not.
        """
        async with self._slots:
            told = await classify_search(self._portal.get_json(self._addresses.search(number)))
        if isinstance(told, CourtFailure):
            raise told

    async def list_documents(self, number: ProcessNumber) -> Listing:
        """Ask for a process and its documents.

        Raises:
            ProcessFailure: absent, out of reach, its description unreadable, or had from a court that is well but
                does not give it.
            CourtFailure: the court cannot answer now.
        """
        async with self._slots:
            sent_at = time.monotonic()
            try:
                payload = await self._portal.get_json(self._addresses.details(number))
                # In a thread: ten thousand documents take a third of a second.
                return await asyncio.to_thread(parse_listing, payload, number, datetime.now(UTC))
            except CourtFailure as failure:
                raise await self._listing_failure(number, failure, sent_at) from None
            except ProcessFailure as failure:
                # An apology in JSON, with status 200, may be all that the court has for anybody.
                if failure.code is not FailureCode.INVALID_LISTING or failure.status is not None:
                    raise
                raise await self._unless_court(number, failure, sent_at) from None

    @asynccontextmanager
    async def open_document(self, number: ProcessNumber, offer: ContentOffer) -> AsyncIterator[OpenDocument]:
        """Ask for a document's bytes, or for its text.

        The court's slot is given back as soon as the bytes have been read to their end.

        Raises:
            DocumentFailure: This document cannot be had; also while reading.
            CourtFailure: The court cannot answer now; also while reading.
        """
        url = self._addresses.document(offer.href)
        head = AnswerHead()
        sent_at = time.monotonic()
        async with aclosing(self._stream(number, url, head, is_text=offer.is_text)) as chunks:
            try:
                yield OpenDocument(chunks, head)
            except DocumentFailure as failure:
                # What was read turned out to be none: when all the court says so, it is the court's trouble.
                if failure.code not in _APOLOGIES:
                    raise
                async with self._slots:
                    raise await self._unless_court(number, failure, sent_at) from None

    async def _stream(
        self, number: ProcessNumber, url: str, head: AnswerHead, *, is_text: bool
    ) -> AsyncGenerator[bytes, None]:
        async with self._slots:
            sent_at = time.monotonic()
            answer = self._portal.stream(url, head)
            try:
                async with aclosing(unwrapped(answer) if is_text else answer) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except CourtFailure as failure:
                raise await self._document_failure(number, failure, sent_at) from None
            except DocumentFailure as failure:
                # When a court goes down, all that it was sending is lost.
                if failure.code is not FailureCode.CONNECTION_LOST:
                    raise
                raise await self._unless_court(number, failure, sent_at) from None

    async def _search(self, number: ProcessNumber) -> object:
        # With the token that has just been used: another one would answer another question.
        return await self._portal.get_json(self._addresses.search(number), replace_token=False)

    async def _listing_failure(self, number: ProcessNumber, failure: CourtFailure, sent_at: float) -> CourtError:
        """What it means that the details cannot be had."""
        if _speaks_for_itself(failure):
            return failure
        told = await self._health_check.of_process(number, sent_at=sent_at)
        if isinstance(told, CourtFailure):
            return _both(failure, told)
        await self._clear_token(failure)
        code, found = _alone(failure, FailureCode.LISTING_UNAVAILABLE), "a search for the process is answered"
        if told is SearchOutcome.OUT_OF_REACH:
            code, found = FailureCode.NO_ACCESS, "a search says that the process is out of reach"
        # For a process that the data lake does not hold, the details answer 500 where 404 is meant.
        elif told is SearchOutcome.ABSENT and failure.status == 500:
            code, found = FailureCode.NOT_FOUND, "a search finds no such process"
        return ProcessFailure(
            code, f"{failure.answer}; {found}.", status=failure.status, retry_after=failure.retry_after
        )

    async def _document_failure(self, number: ProcessNumber, failure: CourtFailure, sent_at: float) -> CourtError:
        """What it means that a document is answered as if the court were in trouble."""
        if _speaks_for_itself(failure):
            return failure
        trouble = await self._health_check.of_court(number, sent_at=sent_at)
        if trouble:
            return _both(failure, trouble)
        await self._clear_token(failure)
        return DocumentFailure(
            _alone(failure, FailureCode.SOURCE_UNAVAILABLE),
            f"{failure.answer}; a search is answered.",
            status=failure.status,
            retry_after=failure.retry_after,
        )

    async def _clear_token(self, failure: CourtFailure) -> None:
        # Good for a search, so it was not the token.
        if failure.code is FailureCode.CREDENTIALS_REJECTED:
            await self._tokens.accepted()

    async def _unless_court(self, number: ProcessNumber, failure: CourtError, sent_at: float) -> CourtError:
        """The failure itself, or the court's if the court is in trouble."""
        trouble = await self._health_check.of_court(number, sent_at=sent_at)
        return _both(CourtFailure(FailureCode.COURT_UNAVAILABLE, failure.answer), trouble) if trouble else failure


def _speaks_for_itself(failure: CourtFailure) -> bool:
    return isinstance(failure, CourtKnownUnavailable) or failure.code is FailureCode.COURT_THROTTLED


def _alone(failure: CourtFailure, usual: FailureCode) -> FailureCode:
    """What the failure means of the one thing asked for."""
    return failure.alone if isinstance(failure, Ambiguous) else usual


def _both(first: CourtFailure, second: CourtFailure) -> CourtFailure:
    """The first failure, with the longer wait of the two."""
    waits = [each.retry_after for each in (first, second) if each.retry_after is not None]
    return CourtFailure(first.code, first.answer, status=first.status, retry_after=max(waits, default=None))
