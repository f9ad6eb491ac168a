"""One request to the portal: the token it carries, how long it may take, and what its answer means."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass

import httpx

from adapters.court_pdpj.addresses import Redirect
from adapters.court_pdpj.answers import Subject, failure_of
from adapters.court_pdpj.bodies import ACCEPT_ENCODING, JsonReader, beginning, body_pieces
from adapters.court_pdpj.bounded_json import NotJson, UnreadableBody
from adapters.court_pdpj.pace import Pace
from adapters.court_pdpj.tokens import Tokens
from domain.errors import ConfigurationError, CourtError, CourtFailure, DocumentFailure, FailureCode, ProcessFailure

_CONNECT_SECONDS = 10.0
_ERROR_BODY_BYTES = 4096
_FOR_JSON = {"Accept": "application/json, text/plain, */*", **ACCEPT_ENCODING}
_FOR_BYTES = {"Accept": "application/pdf,application/octet-stream,*/*", "Accept-Encoding": "identity"}
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONTENT_RANGE = re.compile(r"bytes 0-([0-9]{1,18})/([0-9]{1,18})", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VISIBLE = re.compile(r"[!-~]+")
_OURS = frozenset({"authorization", "host", "content-length", "transfer-encoding"})


@dataclass(slots=True)
class AnswerHead:
    """What the head of an answer says of its body.

    Attributes:
        media_type: The stated media type. None until the answer begins.
    """

    media_type: str | None = None


class Portal:
    """Requests to the portal, each with the token of that moment.

    A token that the court rejects is replaced once, if there is another, and the request sent again. A redirect is
    followed only within the court's API, or to a store of the court's and then without the token: any other one
    would carry the token to a login page or to another host.

    Args:
        tokens: where tokens come from; they are never logged.
        pace: asked before each request is sent, a repeated one too.
        connections: how many are kept.
        headers: sent with every request.
        answer_seconds: how long an answer may take to begin.
        stall_seconds: how long nothing of an answer that has begun may arrive; not more than ``answer_seconds``
            has an effect.
        max_json_bytes: how large a description may be once it is unpacked.
        follow: decides where a redirect may lead, from what was asked for and the answer's ``Location``.

    Raises:
        ConfigurationError: a header that cannot be sent, or that only the client itself may set.
    """

    def __init__(
        self,
        tokens: Tokens,
        pace: Pace,
        *,
        connections: int,
        headers: Mapping[str, str],
        answer_seconds: float,
        stall_seconds: float,
        max_json_bytes: int,
        follow: Callable[[str, str], Redirect | None],
    ) -> None:
        for name, value in headers.items():
            _check_header(name, value)
        self._tokens = tokens
        self._pace = pace
        self._stall_seconds = stall_seconds
        self._json = JsonReader(max_json_bytes, stall_seconds)
        self._follow = follow
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(answer_seconds, connect=min(_CONNECT_SECONDS, answer_seconds)),
            follow_redirects=False,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )
        # A store gets nothing that is meant for the court: neither the token nor the configured headers.
        self._storage_http = httpx.AsyncClient(timeout=self._http.timeout, follow_redirects=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self._storage_http.aclose()

    async def get_json(self, url: str, *, replace_token: bool = True) -> object:
        """The JSON behind an address.

        Args:
            url: what is asked for.
            replace_token: whether a rejected token is replaced.

        Raises:
            ProcessFailure: what was asked for is absent or out of reach, or its description is larger than allowed.
            CourtFailure: the court cannot answer now, or the token is no good.
        """
        try:
            async with self._answer(url, _FOR_JSON, Subject.PROCESS, replace_token=replace_token) as response:
                return await self._json.read(response)
        except (httpx.HTTPError, TimeoutError) as error:
            failure: CourtError = CourtFailure(FailureCode.COURT_UNAVAILABLE, _lost(error))
        except UnreadableBody as error:
            failure = ProcessFailure(FailureCode.INVALID_LISTING, str(error))
        except NotJson:
            # The portal's page, or a gateway's, where JSON was asked for: nothing is said about the process.
            failure = CourtFailure(FailureCode.COURT_UNAVAILABLE, "HTTP 200 with a body that is not JSON.")
        # Raised out here: in its clause it would keep the former error, whose trace holds what was read so far.
        raise failure

    async def stream(self, url: str, head: AnswerHead) -> AsyncGenerator[bytes, None]:
        """The bytes behind an address, as they arrive.

        Args:
            url: What is asked for.
            head: Filled when the answer begins.

        Raises:
            DocumentFailure: the court has an answer, but not the document; or lost it on the way.
            CourtFailure: the court cannot answer now, or the token is no good.
        """
        begun = False
        try:
            async with self._answer(url, _FOR_BYTES, Subject.DOCUMENT) as response:
                begun = True
                head.media_type = response.headers.get("content-type")
                async with aclosing(body_pieces(response, self._stall_seconds)) as pieces:
                    async for piece in pieces:
                        yield piece
        except UnreadableBody as error:
            raise DocumentFailure(FailureCode.INVALID_CONTENT, str(error)) from None
        except httpx.InvalidURL:
            raise DocumentFailure(
                FailureCode.NO_CONTENT_ADDRESS, "The listing gives an address that cannot be asked."
            ) from None
        except (httpx.HTTPError, TimeoutError) as error:
            if begun:
                raise DocumentFailure(FailureCode.CONNECTION_LOST, _lost(error)) from None
            raise CourtFailure(FailureCode.COURT_UNAVAILABLE, _lost(error)) from None

    @asynccontextmanager
    async def _answer(
        self, url: str, headers: dict[str, str], subject: Subject, *, replace_token: bool = True
    ) -> AsyncIterator[httpx.Response]:
        """Open the whole answer to a request, redirects followed; any other answer raises what it means."""
        redirects = 0
        with_token = True
        # Before the token, which is withheld if the court was found unwell meanwhile.
        await self._pace.take()
        token = await self._tokens.current()
        while True:
            async with self._sent(url, headers, token, with_token=with_token) as response:
                if _is_whole(response):
                    yield response
                    return
                followed = self._redirect(response, url) if redirects < _MOST_REDIRECTS else None
                failure = None if followed else await self._failure(response, subject)
            if followed is not None:
                redirects += 1
                url, with_token = followed.url, followed.with_token
            elif failure is not None:
                rejected = failure.code is FailureCode.CREDENTIALS_REJECTED and failure.status == 401
                if not (rejected and replace_token and with_token):
                    raise failure
                token = await self._tokens.replacement(token)
                if token is None:
                    raise failure
                replace_token = False
            if with_token:
                await self._pace.take()

    def _sent(
        self, url: str, headers: dict[str, str], token: str | None, *, with_token: bool
    ) -> AbstractAsyncContextManager[httpx.Response]:
        if with_token:
            return self._http.stream("GET", url, headers={**headers, "Authorization": f"Bearer {_checked(token)}"})
        return self._storage_http.stream("GET", url, headers=headers)

    def _redirect(self, response: httpx.Response, url: str) -> Redirect | None:
        location = response.headers.get("location")
        if response.status_code not in _REDIRECTS or location is None:
            return None
        return self._follow(url, location)

    async def _failure(self, response: httpx.Response, subject: Subject) -> CourtError:
        body = None
        # The status stands, whatever becomes of the body.
        with suppress(httpx.HTTPError, TimeoutError, UnreadableBody):
            body = await beginning(response, _ERROR_BODY_BYTES, self._stall_seconds)
        return failure_of(response.status_code, response.headers, body, subject)


def _is_whole(response: httpx.Response) -> bool:
    """Whether an answer brings all that was asked for: 200, 203 from a proxy, or 206 with every byte."""
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        return response.status_code in (httpx.codes.OK, httpx.codes.NON_AUTHORITATIVE_INFORMATION)
    stated = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", "").strip())
    return stated is not None and int(stated[1]) + 1 == int(stated[2])


def _check_header(name: str, value: str) -> None:
    if not _HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
        raise ConfigurationError(f"The header {name!r} for the court cannot be sent as it is.")
    if name.lower() in _OURS:
        raise ConfigurationError(f"The header {name!r} for the court is not one that can be set.")


def _checked(token: str | None) -> str:
    if not token:
        raise CourtFailure(FailureCode.CREDENTIALS_REJECTED, "No token for the court is set.")
    if not _VISIBLE.fullmatch(token):
        raise CourtFailure(FailureCode.CREDENTIALS_REJECTED, "The token holds characters that no header can carry.")
    return token


def _lost(error: Exception) -> str:
    # Never the error's own text: it may hold what was sent.
    return f"No whole answer ({type(error).__name__})."
