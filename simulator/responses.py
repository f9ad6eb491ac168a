"""The court's responses, verbatim as clients have captured them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

from simulator.case import Case, Document
from simulator.files import File
from simulator.listing import to_json

JSON = "application/json"
PAGE_SIZE = 100
"""Processes per page of a search."""

_HTML = "text/html"


class Ending(Enum):
    """How a response ends after its last byte: complete, or the connection closed or reset."""

    COMPLETE = auto()
    CLOSED = auto()
    RESET = auto()


@dataclass(frozen=True, slots=True)
class CourtResponse:
    """One response, and how it is sent.

    Attributes:
        headers: headers besides the length and the type.
        sent: how many bytes of the body are sent before ``ending``. ``None`` means all.
        piece_delay: seconds between the eighths of the body. ``None`` sends it at once.
        document_id: set if the complete body is a document, so that it can be counted.
        listing: whether the complete body is a process's listing.
        refuses_token: whether the response says that the token is invalid.
    """

    status: int
    media_type: str | None
    body: File
    headers: tuple[tuple[str, str], ...] = ()
    sent: int | None = None
    ending: Ending = Ending.COMPLETE
    piece_delay: float | None = None
    document_id: str | None = None
    listing: bool = False
    refuses_token: bool = False


def _json_response(status: int, value: Any, retry_after: int | None = None) -> CourtResponse:
    headers = () if retry_after is None else (("retry-after", str(retry_after)),)
    return CourtResponse(status, JSON, File(to_json(value)), headers)


def _html_response(status: int, text: str) -> CourtResponse:
    return CourtResponse(status, _HTML, File(text.encode()))


def listing(body: bytes) -> CourtResponse:
    """Return a process's details."""
    return CourtResponse(200, JSON, File(body), listing=True)


def search(hits: Sequence[bytes], *, total: int, after: tuple[int, str] | None = None) -> CourtResponse:
    """Return a page of search results.

    Args:
        hits: the results, as JSON.
        total: number of results on all pages.
        after: cursor of the next page. ``None`` in a search by number, which has no pages.
    """
    cursor = b"" if after is None else b'"searchAfter":[%d,"%s"],' % (after[0], after[1].encode())
    head = b'{"total":%d,"numberOfElements":%d,"maxElementsSize":%d,' % (total, len(hits), PAGE_SIZE)
    return CourtResponse(200, JSON, File(head + cursor + b'"content":[' + b",".join(hits) + b"]}"))


def binary(case: Case, document: Document) -> CourtResponse:
    """Return a document's bytes. Without a type in the listing, the header has none either, unless configured."""
    media_type = document.media_type if document.described else "application/octet-stream"
    disposition = case.shape.content_disposition
    return CourtResponse(
        200,
        case.shape.content_type or media_type,
        document.file(),
        headers=() if disposition is None else (("content-disposition", disposition),),
        document_id=document.id,
    )


def text(document: Document) -> CourtResponse:
    """Return the text extracted from a document. It counts as the document itself if that has no binary."""
    counted_id = None if document.has_binary else document.id
    return CourtResponse(200, "text/plain; charset=UTF-8", File(document.text()), document_id=counted_id)


def verdict(value: bool) -> CourtResponse:
    """Return a bare ``true`` or ``false``."""
    return _json_response(200, value)


def preparing(retry_after: int) -> CourtResponse:
    """Return 202: the link is not ready. ``retry_after`` is in seconds."""
    return CourtResponse(202, None, File(b""), (("retry-after", str(retry_after)),))


def link(address: str) -> CourtResponse:
    """Return the URL of a document that needs no token."""
    return _json_response(200, address)


def token_rejected() -> CourtResponse:
    """Return 401 without a body: no token, or an expired one."""
    return CourtResponse(401, None, File(b""), refuses_token=True)


def redirected() -> CourtResponse:
    """Return 302 to the sign-in page on another host: the session is lost."""
    sign_in = "https://sso.cloud.pje.jus.br/auth/realms/pje/protocol/openid-connect/auth"
    query = "client_id=portalexterno-frontend&response_mode=fragment&response_type=code&scope=openid"
    return CourtResponse(302, None, File(b""), (("location", f"{sign_in}?{query}"),))


def no_access(number: str, *, status: int = 401) -> CourtResponse:
    """Return the refusal for a valid token whose owner may not see the process: 401, but 403 in a search."""
    digits = "".join(filter(str.isdigit, number))
    return _json_response(status, {"code": status, "message": f"Usuário não possui acesso ao processo {digits}"})


def no_records() -> CourtResponse:
    """Return 404: the process is not in the index, or the page is past the end."""
    return _json_response(404, {"code": 404, "message": "Não foram encontrados registros"})


def no_hits() -> CourtResponse:
    """Return an empty search result."""
    return _json_response(200, {"content": []})


def no_route(path: str) -> CourtResponse:
    """Return Spring's own 404, for unknown paths and documents."""
    return _json_response(
        404,
        {
            "timestamp": time.time_ns() // 1_000_000,
            "status": 404,
            "error": "Not Found",
            "message": "",
            "path": path,
        },
    )


_DATA_LAKE_URL = "https://api-processo.data-lake.pdpj.jus.br/processo-api/api/v1"


def codex_error(path: str, number: str, document_id: str) -> CourtResponse:
    """Return 500: the data lake behind the portal failed on this document."""
    query = f"?numeroProcesso={number}&idDocumento={document_id}"
    return _data_lake_error(path, f"{_DATA_LAKE_URL}/processos/{number}/documentos/{document_id}/binario{query}")


def broken_details(path: str, number: str) -> CourtResponse:
    """Return 500: the data lake behind the portal failed on this process, or does not have it."""
    return _data_lake_error(path, f"{_DATA_LAKE_URL}/processos/{number}")


def _data_lake_error(path: str, address: str) -> CourtResponse:
    return _json_response(
        500,
        {
            "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
            "status": 500,
            "error": "Internal Server Error",
            "message": "Erro interno na API do Codex.",
            "path": path,
            "externalUrlService": address,
        },
    )


def sealed(path: str) -> CourtResponse:
    """Return 403 for a secret document of a process whose other documents are accessible."""
    return _json_response(403, {"status": 403, "error": "Forbidden", "message": "Access Denied", "path": path})


def throttled(retry_after: int | None) -> CourtResponse:
    """Return 429."""
    return _json_response(
        429,
        {"status": 429, "error": "Too Many Requests", "message": "Limite de requisições excedido"},
        retry_after,
    )


def unavailable(retry_after: int | None) -> CourtResponse:
    """Return 503."""
    message = "Serviço indisponível, tente novamente mais tarde"
    return _json_response(503, {"status": 503, "error": "Service Unavailable", "message": message}, retry_after)


def _gateway_error(status: int, reason: str, text: str) -> CourtResponse:
    return _html_response(
        status,
        f"<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n"
        f"<center><h1>{status} {reason}</h1></center>\r\n<hr><center>{text}</center>\r\n</body>\r\n</html>\r\n",
    )


def firewall() -> CourtResponse:
    """Return 403 from the gateway's firewall, in HTML."""
    return _gateway_error(403, "Forbidden", "CloudFront - Request blocked.")


def gateway_timeout() -> CourtResponse:
    """Return 504 from the gateway, in HTML."""
    return _gateway_error(504, "Gateway Time-out", "CloudFront")


def maintenance() -> CourtResponse:
    """Return a maintenance notice with status 200, as the court does."""
    return _json_response(
        200, {"status": "MANUTENCAO", "message": "Sistema em manutenção. Tente novamente em instantes."}
    )


def empty(media_type: str | None) -> CourtResponse:
    """Return 200 without a body."""
    return CourtResponse(200, media_type, File(b""))


_PAGE_BYTES = 2422
_PAGE = """<!DOCTYPE html><html lang="pt-br"><head>
<meta charset="utf-8">
<title>Portal de Serviços do Poder Judiciário</title>
<base href="/">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" type="image/x-icon" href="favicon.ico">
<link rel="stylesheet" href="styles.css">
<style>{padding}</style>
</head>
<body class="mat-typography">
<app-root ng-version="17.3.12"></app-root>
<noscript>Habilite o JavaScript para usar o portal.</noscript>
<script src="runtime.js" type="module"></script>
<script src="polyfills.js" type="module"></script>
<script src="main.js" type="module"></script>
</body></html>
"""
_STYLE = "body{margin:0;font-family:Roboto,sans-serif}.carregando{display:flex;justify-content:center}"
_PADDING_SIZE = _PAGE_BYTES - len(_PAGE.encode()) + len("{padding}")
_PORTAL_PAGE = File(_PAGE.replace("{padding}", _STYLE.ljust(_PADDING_SIZE)).encode())


def portal_page() -> CourtResponse:
    """Return the portal's HTML page, which it sends with 200 for every path outside its API."""
    return CourtResponse(200, _HTML, _PORTAL_PAGE)
