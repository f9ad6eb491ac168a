"""What the portal's error responses mean: their bodies decide, not their statuses alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.court_pdpj.error_mapping import AmbiguousFailure, Resource, map_error_response
from domain.errors import CourtError, CourtFailure, DocumentFailure, FailureCode, ProcessFailure

PROCESS, DOCUMENT = Resource.PROCESS, Resource.DOCUMENT
PATH = "/api/v2/processos/1000001-51.2026.8.11.0041"
NO_ACCESS = "Usuário não possui acesso ao processo 10000015120268110041"
NO_BACKEND = b"default backend - 404"
FIREWALL = b"<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>CloudFront</body></html>"
SEALED = {"status": 403, "error": "Forbidden", "message": "Access Denied", "path": PATH}
NO_RECORDS = {"code": 404, "message": "Não foram encontrados registros"}
NO_ROUTE = {"timestamp": 1759627761583, "status": 404, "error": "Not Found", "message": "", "path": PATH}
CODEX = {
    "timestamp": "2026-03-02T10:00:00.000Z",
    "status": 500,
    "error": "Internal Server Error",
    "message": "Erro interno na API do Codex.",
    "path": PATH,
    "externalUrlService": "https://lake.invalid/binario?numeroProcesso=1",
}
UNAVAILABLE = {"status": 503, "error": "Service Unavailable", "message": "Serviço indisponível"}


def to_json(value: object) -> bytes:
    """JSON as the portal writes it."""
    return json.dumps(value, ensure_ascii=False).encode()


MEANINGS: dict[str, tuple[int, bytes, Resource, type[CourtError], str]] = {
    "1 a token that has ended": (401, b"", PROCESS, CourtFailure, "credentials_rejected"),
    "1 the same at a document": (401, b"", DOCUMENT, CourtFailure, "credentials_rejected"),
    "1 the same with a body": (
        401,
        to_json({"status": 401, "message": ""}),
        PROCESS,
        CourtFailure,
        "credentials_rejected",
    ),
    "2 no access to the case": (401, to_json({"message": NO_ACCESS}), PROCESS, ProcessFailure, "no_access"),
    "2 the same in mojibake": (
        401,
        to_json({"message": NO_ACCESS.encode().decode("latin-1")}),
        PROCESS,
        ProcessFailure,
        "no_access",
    ),
    "2 the same with escapes": (401, json.dumps({"m": NO_ACCESS}).encode(), PROCESS, ProcessFailure, "no_access"),
    "2 the same in latin-1": (401, NO_ACCESS.encode("latin-1"), PROCESS, ProcessFailure, "no_access"),
    "2 the same without accents": (401, b"USUARIO NAO POSSUI ACESSO", PROCESS, ProcessFailure, "no_access"),
    "2 no access, asked for a document": (
        401,
        to_json({"message": NO_ACCESS}),
        DOCUMENT,
        DocumentFailure,
        "sealed",
    ),
    "3 no access to what a search finds": (
        403,
        to_json({"message": NO_ACCESS}),
        PROCESS,
        ProcessFailure,
        "no_access",
    ),
    "4 the firewall": (403, FIREWALL, PROCESS, CourtFailure, "court_blocked"),
    "4 the firewall at a document": (403, FIREWALL, DOCUMENT, CourtFailure, "court_blocked"),
    "4 the firewall in capitals": (403, b" <!DOCTYPE HTML><HTML>", DOCUMENT, CourtFailure, "court_blocked"),
    "5 a sealed piece, or a blocked client": (403, to_json(SEALED), DOCUMENT, AmbiguousFailure, "court_blocked"),
    "5 the same without a word": (403, b"", DOCUMENT, AmbiguousFailure, "court_blocked"),
    "5 a case kept from us, or a blocked client": (403, b"", PROCESS, AmbiguousFailure, "court_blocked"),
    "5 the same in JSON": (403, to_json({"message": "Forbidden"}), PROCESS, AmbiguousFailure, "court_blocked"),
    "6 no such process": (404, to_json(NO_RECORDS), PROCESS, ProcessFailure, "not_found"),
    "7 a wrong path": (404, to_json(NO_ROUTE), PROCESS, ProcessFailure, "invalid_listing"),
    "7 an unknown document, or no court": (404, to_json(NO_ROUTE), DOCUMENT, AmbiguousFailure, "court_unavailable"),
    "7 a gateway without a court": (404, NO_BACKEND, PROCESS, CourtFailure, "court_unavailable"),
    "7 JSON that is not Spring's": (404, to_json({"status": 404}), PROCESS, CourtFailure, "court_unavailable"),
    "7 JSON that is no object": (404, b'["status"]', PROCESS, CourtFailure, "court_unavailable"),
    "8 the data lake failed, or the court": (500, to_json(CODEX), DOCUMENT, CourtFailure, "court_unavailable"),
    "9 the details failed": (500, to_json(CODEX), PROCESS, CourtFailure, "court_unavailable"),
    "10 too many requests": (429, b"", PROCESS, CourtFailure, "court_throttled"),
    "10 too many for documents": (429, b"{}", DOCUMENT, CourtFailure, "court_throttled"),
    "11 bad gateway": (502, b"<html>", DOCUMENT, CourtFailure, "court_unavailable"),
    "11 service unavailable": (503, to_json(UNAVAILABLE), DOCUMENT, CourtFailure, "court_unavailable"),
    "11 gateway timeout": (504, b"<html>", PROCESS, CourtFailure, "court_unavailable"),
    "17 a redirect to the login": (302, b"", PROCESS, CourtFailure, "credentials_rejected"),
    "17 the same at a document": (307, b"", DOCUMENT, AmbiguousFailure, "credentials_rejected"),
}


@pytest.mark.parametrize(("status", "body", "resource", "kind", "code"), MEANINGS.values(), ids=MEANINGS.keys())
def test_the_meaning_of_a_response(
    status: int, body: bytes, resource: Resource, kind: type[CourtError], code: str
) -> None:
    failure = map_error_response(status, {}, body, resource)
    assert (type(failure), failure.code.value, failure.status) == (kind, code, status)


@pytest.mark.parametrize(
    ("status", "body", "resource", "code_if_healthy"),
    [
        (403, to_json(SEALED), DOCUMENT, FailureCode.SEALED),
        (403, b"", DOCUMENT, FailureCode.SEALED),
        (403, to_json({"message": "Forbidden"}), PROCESS, FailureCode.NO_ACCESS),
        (403, b"", PROCESS, FailureCode.NO_ACCESS),
        (404, to_json(NO_ROUTE), DOCUMENT, FailureCode.DOCUMENT_NOT_FOUND),
        (404, NO_BACKEND, DOCUMENT, FailureCode.DOCUMENT_NOT_FOUND),
        (302, b"", DOCUMENT, FailureCode.PORTAL_PAGE),
    ],
)
def test_the_code_if_the_court_is_healthy(
    status: int, body: bytes, resource: Resource, code_if_healthy: FailureCode
) -> None:
    failure = map_error_response(status, {}, body, resource)
    assert isinstance(failure, AmbiguousFailure)
    assert failure.code_if_healthy is code_if_healthy


@pytest.mark.parametrize("resource", Resource)
def test_a_403_with_an_unreadable_body_counts_as_the_firewall(resource: Resource) -> None:
    failure = map_error_response(403, {}, None, resource)
    assert (type(failure), failure.code) == (CourtFailure, FailureCode.COURT_BLOCKED)


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_the_courts_retry_after_is_kept(status: int) -> None:
    assert map_error_response(status, {"retry-after": "17"}, b"", PROCESS).retry_after == 17


def test_the_courts_message_is_part_of_the_answer() -> None:
    assert map_error_response(500, {}, to_json(CODEX), DOCUMENT).answer == "HTTP 500: Erro interno na API do Codex."


def test_nothing_but_the_courts_message_is_part_of_the_answer() -> None:
    assert "invalid" not in map_error_response(500, {}, to_json(CODEX), DOCUMENT).answer
    assert map_error_response(403, {}, FIREWALL, DOCUMENT).answer == "HTTP 403"


json_bodies = st.recursive(
    st.none() | st.integers() | st.text(st.characters()), lambda inner: st.dictionaries(st.just("message"), inner)
).map(lambda value: json.dumps(value).encode())


@given(st.integers(100, 599), st.binary() | json_bodies, st.sampled_from(Resource))
@example(500, b'{"message": "a\\u0000b\\ud800c"}', DOCUMENT)
@example(500, b'{"message": ' + b"[" * 4000, DOCUMENT)
@example(500, b'{"message": "' + b"a" * 4000 + b'"}', DOCUMENT)
@example(500, b'{"message": "a\\r\\nb"}', DOCUMENT)
@example(500, b'{"message": "a\\u009b31mb\\u202ec\\u200fd\\u2028e"}', DOCUMENT)
def test_every_response_maps_to_a_failure_that_can_be_stored(status: int, body: bytes, resource: Resource) -> None:
    failure = map_error_response(status, {}, body, resource)
    assert isinstance(failure.code, FailureCode)
    assert failure.answer.isprintable()
    failure.answer.encode()
    assert len(failure.answer) <= 250
    scopes = {
        DocumentFailure: "document",
        ProcessFailure: "process",
        CourtFailure: "court",
        AmbiguousFailure: "court",
    }
    assert failure.code.scope == scopes[type(failure)]
    assert not isinstance(failure, AmbiguousFailure) or failure.code_if_healthy.scope == resource.name.lower()
