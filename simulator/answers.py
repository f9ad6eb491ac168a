"""The court's answers word for word, as its clients have captured them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

from simulator.case import Case, Document
from simulator.files import File

JSON = "application/json"
PAGE = 100
"""How many processes a page of a search holds."""

_HTML = "text/html"


class Ending(Enum):
    """How the connection ends after an answer's last byte."""

    COMPLETE = auto()
    CLOSED = auto()
    RESET = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, and the way in which it travels.

    Attributes:
        headers: what the head tells beside the length and the type.
        sent: how many bytes of the body go out before ``ending``; None for all.
        step_delay: seconds before each further eighth of the body; None sends it at once.
        document_id: set while the body in full is a document itself, so that it can be counted.
        listing: the body in full is a process's listing.
        refuses_token: the answer says that the token is no good.
    """

    status: int
    media_type: str | None
    body: File
    headers: tuple[tuple[str, str], ...] = ()
    sent: int | None = None
    ending: Ending = Ending.COMPLETE
    step_delay: float | None = None
    document_id: str | None = None
    listing: bool = False
    refuses_token: bool = False


def _of_json(status: int, value: Any, retry_after: int | None = None) -> Answer:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    headers = () if retry_after is None else (("retry-after", str(retry_after)),)
    return Answer(status, JSON, File(body), headers)


def _of_html(status: int, text: str) -> Answer:
    return Answer(status, _HTML, File(text.encode()))


def listing(body: bytes) -> Answer:
    """A process's details."""
    return Answer(200, JSON, File(body), listing=True)


def search(hits: Sequence[bytes], *, total: int, after: tuple[int, str] | None = None) -> Answer:
    """A page of what a search found, and where the next one begins; the search by number does not tell that."""
    cursor = b"" if after is None else b'"searchAfter":[%d,"%s"],' % (after[0], after[1].encode())
    head = b'{"total":%d,"numberOfElements":%d,"maxElementsSize":%d,' % (total, len(hits), PAGE)
    return Answer(200, JSON, File(head + cursor + b'"content":[' + b",".join(hits) + b"]}"))


def binary(case: Case, document: Document) -> Answer:
    """A document itself. Where its listing tells no type, the wire tells none either, unless one was ordered."""
    media_type = document.media_type if document.described else "application/octet-stream"
    disposition = case.shape.content_disposition
    return Answer(
        200,
        case.shape.content_type or media_type,
        document.file(),
        headers=() if disposition is None else (("content-disposition", disposition),),
        document_id=document.id,
    )


def text(document: Document) -> Answer:
    """The text that the court extracted from a document; all there is of one that has no binary."""
    served = None if document.has_binary else document.id
    return Answer(200, "text/plain; charset=UTF-8", File(document.text()), document_id=served)


def verdict(value: bool) -> Answer:
    """A bare ``true`` or ``false``."""
    return _of_json(200, value)


def preparing(retry_after: int) -> Answer:
    """The link is not ready; ask again after so many seconds."""
    return Answer(202, None, File(b""), (("retry-after", str(retry_after)),))


def link(address: str) -> Answer:
    """Where a document can be had without a token."""
    return _of_json(200, address)


def token_rejected() -> Answer:
    """No token, or one that has ended: nothing but the status."""
    return Answer(401, None, File(b""), refuses_token=True)


def redirected() -> Answer:
    """The session is lost: sign in again, on another host."""
    sign_in = "https://sso.cloud.pje.jus.br/auth/realms/pje/protocol/openid-connect/auth"
    query = "client_id=portalexterno-frontend&response_mode=fragment&response_type=code&scope=openid"
    return Answer(302, None, File(b""), (("location", f"{sign_in}?{query}"),))


def no_access(number: str, *, status: int = 401) -> Answer:
    """The token is good, its owner may not see this process. A search says the same with 403."""
    digits = "".join(filter(str.isdigit, number))
    return _of_json(status, {"code": status, "message": f"Usuário não possui acesso ao processo {digits}"})


def no_records() -> Answer:
    """The process is not in the index, or the page is past the end."""
    return _of_json(404, {"code": 404, "message": "Não foram encontrados registros"})


def no_hits() -> Answer:
    """A search that found nothing."""
    return _of_json(200, {"content": []})


def no_route(path: str) -> Answer:
    """Spring's own 404, for paths and documents that it does not know."""
    return _of_json(
        404,
        {
            "timestamp": time.time_ns() // 1_000_000,
            "status": 404,
            "error": "Not Found",
            "message": "",
            "path": path,
        },
    )


_LAKE = "https://api-processo.data-lake.pdpj.jus.br/processo-api/api/v1"


def codex_error(path: str, number: str, document_id: str) -> Answer:
    """The data lake behind the portal failed on this document."""
    query = f"?numeroProcesso={number}&idDocumento={document_id}"
    return _lake_failed(path, f"{_LAKE}/processos/{number}/documentos/{document_id}/binario{query}")


def broken_details(path: str, number: str) -> Answer:
    """The data lake behind the portal failed on this process, or lacks it: the answer is the same."""
    return _lake_failed(path, f"{_LAKE}/processos/{number}")


def _lake_failed(path: str, address: str) -> Answer:
    return _of_json(
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


def sealed(path: str) -> Answer:
    """This piece is secret, the others are not."""
    return _of_json(403, {"status": 403, "error": "Forbidden", "message": "Access Denied", "path": path})


def throttled(retry_after: int | None) -> Answer:
    """Too many requests."""
    return _of_json(
        429,
        {"status": 429, "error": "Too Many Requests", "message": "Limite de requisições excedido"},
        retry_after,
    )


def unavailable(retry_after: int | None) -> Answer:
    """The service is down."""
    message = "Serviço indisponível, tente novamente mais tarde"
    return _of_json(503, {"status": 503, "error": "Service Unavailable", "message": message}, retry_after)


def _gateway(status: int, reason: str, text: str) -> Answer:
    return _of_html(
        status,
        f"<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n"
        f"<center><h1>{status} {reason}</h1></center>\r\n<hr><center>{text}</center>\r\n</body>\r\n</html>\r\n",
    )


def firewall() -> Answer:
    """The gateway's firewall blocks this client."""
    return _gateway(403, "Forbidden", "CloudFront - Request blocked.")


def gateway_timeout() -> Answer:
    """The gateway waited for the portal in vain."""
    return _gateway(504, "Gateway Time-out", "CloudFront")


def maintenance() -> Answer:
    """An apology dressed as success."""
    return _of_json(
        200, {"status": "MANUTENCAO", "message": "Sistema em manutenção. Tente novamente em instantes."}
    )


def empty(media_type: str | None) -> Answer:
    """Success, and nothing in it."""
    return Answer(200, media_type, File(b""))


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
_ROOM = _PAGE_BYTES - len(_PAGE.encode()) + len("{padding}")
_PORTAL_PAGE = File(_PAGE.replace("{padding}", _STYLE.ljust(_ROOM)).encode())


def portal_page() -> Answer:
    """The portal's own page, which it gives with 200 for every address that is not its API's."""
    return Answer(200, _HTML, _PORTAL_PAGE)
