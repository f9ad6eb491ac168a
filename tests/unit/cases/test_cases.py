"""Input files and their expected results through the whole stack: the real worker, store, catalog and API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from starlette.responses import Response

from tests.support.numbers import fresh_number
from tests.support.scripted_court import ScriptedCourt, running_scripted_court
from tests.support.stack import RunningStack, running_stack

INPUTS = Path(__file__).with_name("inputs")
PDF = (INPUTS / "doc-pdf-without-eof-whole-by-size.pdf").read_bytes() + b"%%EOF\n"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def court() -> Iterator[ScriptedCourt]:
    """The court. Its documents are small PDFs of the size that the listings state."""
    assert len(PDF) == 548
    with running_scripted_court(PDF) as court:
        yield court


@pytest.fixture(scope="module")
async def cases(court: ScriptedCourt, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """A stack that downloads from the scripted court."""
    variables = {
        "AUTOS_COURT_BASE_URL": court.url,
        "AUTOS_COURT_TOKEN": "a-synthetic-token",
        "AUTOS_COURT_REQUESTS_PER_SECOND": "200",
    }
    async with running_stack(tmp_path_factory.mktemp("cases"), **variables) as stack:
        yield stack


def serve_listing(court: ScriptedCourt, name: str, *, charset: str = "utf-8") -> str:
    """Make the court serve an input file. Returns its process number."""
    body = (INPUTS / name).read_bytes()
    at = body.index(b'"numeroProcesso"')
    number = body[at:].split(b'"')[3].decode()
    court.listings[number] = lambda: Response(
        body, headers={"content-type": f"application/json; charset={charset}"}
    )
    return number


async def download_process(stack: RunningStack, number: str, **query: str | int) -> tuple[Json, list[Json]]:
    """Download a process. Returns its status and its documents when the run has ended."""
    await stack.request_download(number, **query)
    status = await stack.wait_until_ended(number)
    return status, await stack.list_documents(number)


@pytest.mark.parametrize(
    ("name", "charset"),
    [
        ("listing-array-of-two.json", "utf-8"),
        ("listing-documentos-as-page.json", "utf-8"),
        ("listing-wrapped-in-content.json", "utf-8"),
        ("listing-latin1.json", "ISO-8859-1"),
        ("listing-trailing-nul.json", "utf-8"),
        ("listing-5000-digit-int.json", "utf-8"),
        ("listing-href-without-slash.json", "utf-8"),
        ("listing-href-inside-arquivo.json", "utf-8"),
        ("listing-data-lake-shape.json", "utf-8"),
        ("listing-same-idorigem-other-document.json", "utf-8"),
    ],
)
async def test_two_documents_are_found_and_stored(
    cases: RunningStack, court: ScriptedCourt, name: str, charset: str
) -> None:
    status, documents = await download_process(cases, serve_listing(court, name, charset=charset))
    assert (status["status"], status["failure"]) == ("completed", None)
    assert [(document["status"], document["media_type"]) for document in documents] == [
        ("available", "application/pdf")
    ] * 2
    assert "\ufffd" not in str(documents)


async def test_binary_of_another_source_is_preferred_to_text(cases: RunningStack, court: ScriptedCourt) -> None:
    number = serve_listing(court, "listing-current-source-text-only.json")
    status, [document] = await download_process(cases, number)
    assert status["status"] == "completed"
    assert (document["media_type"], document["size_bytes"]) == ("application/pdf", 548)
    assert len(document["sources"]) == 2


async def test_another_source_is_tried_before_a_document_fails(cases: RunningStack, court: ScriptedCourt) -> None:
    number = serve_listing(court, "listing-current-source-answers-500.json")
    described = json.loads((INPUTS / "listing-current-source-answers-500.json").read_text())
    broken = described[0]["tramitacaoAtual"]["documentos"][0]["hrefBinario"].split("/")[-2]
    court.documents[broken, "binario"] = lambda: Response(
        json.dumps({"status": 500, "message": "Erro interno na API do Codex."}), 500, media_type="application/json"
    )
    status, documents = await download_process(cases, number)
    assert status["status"] == "completed"
    assert {document["status"] for document in documents} == {"available"}
    assert sum(f"{broken}/binario" in path for path in court.requests) == 1


async def test_unknown_secrecy_level_is_unrecognized(cases: RunningStack, court: ScriptedCourt) -> None:
    _, documents = await download_process(cases, serve_listing(court, "listing-secrecy-unknown-word.json"))
    assert "unrecognized" in {document["secrecy"] for document in documents}


async def test_replaced_content_is_downloaded_again_and_the_old_one_kept(
    cases: RunningStack, court: ScriptedCourt
) -> None:
    number = serve_listing(court, "listing-same-id-first.json")
    _, before = await download_process(cases, number)
    serve_listing(court, "listing-same-id-second.json")
    [changed] = [document["id"] for document in before if document["name"] == "um.pdf"]
    second = PDF + b"% changed later\n"
    assert len(second) == 564
    court.documents[changed, "binario"] = lambda: Response(second, media_type="application/pdf")

    status, after = await download_process(cases, number, max_age=0)

    assert status["status"] == "completed"
    [old] = [document for document in before if document["id"] == changed]
    [new] = [document for document in after if document["id"] == changed]
    assert (new["size_bytes"], new["version"], new["filed_at"]) == (564, 2, "2026-04-01T13:00:00Z")
    assert new["sha256"] != old["sha256"]
    [former] = new["versions"]
    assert (former["version"], former["sha256"], former["filed_at"]) == (1, old["sha256"], old["filed_at"])
    # Both links return their own bytes, and the unchanged document was not downloaded again.
    for url, size in ((new["download_url"], 564), (former["download_url"], 548)):
        assert len((await cases.api.get(url)).content) == size
    content = await cases.api.get(
        f"/processes/{number}/documents/{changed}/content", params={"version": 1}, follow_redirects=True
    )
    assert content.content == PDF
    [same] = [document["id"] for document in before if document["id"] != changed]
    assert sum(same in path for path in court.requests) == 1
    # The same listing once more changes nothing.
    _, again = await download_process(cases, number, max_age=0)
    assert [document["version"] for document in again] == [document["version"] for document in after]


async def test_all_readable_dates_are_kept(cases: RunningStack, court: ScriptedCourt) -> None:
    _, documents = await download_process(cases, serve_listing(court, "listing-dates.json"))
    # One is empty and one is not a valid date.
    assert sum(document["filed_at"] is None for document in documents) == 2
    written = {document["filed_at"] for document in documents}
    assert "2026-03-02T13:00:00Z" in written


DOCUMENTS = {
    "doc-pdf-1500-spaces-after.pdf": ("um.pdf", "application/pdf", "application/pdf"),
    "doc-pdf-2000-nul-after.pdf": ("um.pdf", "application/pdf", "application/pdf"),
    "doc-pdf-5586-html-after.pdf": ("um.pdf", "application/pdf", "application/pdf"),
    "doc-pdf-without-eof-whole-by-size.pdf": ("um.pdf", "application/pdf", "application/pdf"),
    "doc-html-declared-named-pdf.bin": ("Decisao.pdf", "text/html", "text/html"),
    "doc-p7s-detached-named-pdf.bin": ("Peticao.pdf", "application/pdf", "application/pkcs7-signature"),
    "doc-gif-named-pdf.bin": ("Foto.pdf", "application/pdf", "image/gif"),
    "doc-p7s-attached-declared-pdf.bin": ("Peticao.pdf", "application/pdf", "application/pkcs7-signature"),
    "doc-html-doctype-quotes-portal.html": ("Certidao.html", "text/html", "text/html"),
    "doc-html-xml-prolog.html": ("Oficio.html", "text/html", "text/html"),
    "doc-json-attachment.json": ("mensagens.json", "application/json", "application/json"),
    "doc-txt-begins-with-brace.txt": ("registro.txt", "text/plain", "text/plain"),
}


def build_process_details(number: str, name: str, media_type: str | None, size_bytes: int | None) -> Json:
    """Return the details of a process with one document."""
    base = f"/processos/{number}/documentos/{uuid5(NAMESPACE_URL, number)}"
    file = {"tipo": media_type, "tamanho": size_bytes} if media_type or size_bytes else None
    document = {
        "sequencia": 1,
        "dataHoraJuntada": "2026-03-02T10:00:00",
        "idOrigem": "1",
        "nome": name,
        "nivelSigilo": "PUBLICO",
        "tipo": {"nome": "Documento"},
        "hrefBinario": f"{base}/binario",
        "hrefTexto": f"{base}/texto",
    }
    stage = {
        "grau": {"sigla": "G1"},
        "idFonteDadosCodex": 45,
        "documentos": [document | ({"arquivo": file} if file else {})],
    }
    return {"numeroProcesso": number, "nivelSigilo": 0, "tramitacaoAtual": stage}


@pytest.mark.parametrize(
    ("name", "listed_name", "listed_type", "media_type"), [(k, *v) for k, v in DOCUMENTS.items()]
)
async def test_document_media_type_follows_its_content(
    cases: RunningStack, court: ScriptedCourt, name: str, listed_name: str, listed_type: str, media_type: str
) -> None:
    number, body = fresh_number(), (INPUTS / name).read_bytes()
    listing = json.dumps([build_process_details(number, listed_name, listed_type, len(body))])
    court.listings[number] = lambda: Response(listing, media_type="application/json")
    court.documents[str(uuid5(NAMESPACE_URL, number)), "binario"] = lambda: Response(body, media_type=listed_type)
    status, [document] = await download_process(cases, number)
    assert (document["status"], document["failure"]) == ("available", None)
    assert (document["media_type"], document["size_bytes"]) == (media_type, len(body))
    assert status["status"] == "completed"


async def test_entry_without_file_or_text_is_not_missing(cases: RunningStack, court: ScriptedCourt) -> None:
    number = fresh_number()
    listing = build_process_details(number, "Juntada.pdf", None, None)
    court.listings[number] = lambda: Response(json.dumps([listing]), media_type="application/json")
    for kind in ("binario", "texto"):
        court.documents[str(uuid5(NAMESPACE_URL, number)), kind] = lambda: Response("{}", 404)
    status, [document] = await download_process(cases, number)
    assert (status["status"], status["run"]["outcome"]) == ("completed", "completed")
    assert (status["no_content_documents"], status["failed_documents"]) == (1, 0)
    assert document["failure"]["code"] == "no_content"
    assert document["failure"]["retryable"] is False
    assert (await cases.request_download(number)).json()["decision"] == "complete"


async def test_entry_without_file_but_with_text_is_stored_as_text(
    cases: RunningStack, court: ScriptedCourt
) -> None:
    number = fresh_number()
    listing = build_process_details(number, "Juntada.pdf", None, None)
    court.listings[number] = lambda: Response(json.dumps([listing]), media_type="application/json")
    document_id = str(uuid5(NAMESPACE_URL, number))
    court.documents[document_id, "binario"] = lambda: Response("{}", 404)
    court.documents[document_id, "texto"] = lambda: Response("Juntada de petição.", media_type="text/plain")
    status, [document] = await download_process(cases, number)
    assert (status["status"], document["media_type"]) == ("completed", "text/plain")


UNREADABLE: list[list[Json]] = [
    [{"tramitacaoAtual": {"documentos": {"content": [], "total": 7}}}],
    [{"tramitacaoAtual": {"documentos": {"primeiro": {}}}}],
    [{"tramitacaoAtual": {"documentos": ["um.pdf"]}}],
    [{"tramitacaoAtual": {"documentosJuntados": [{"nome": "um.pdf"}]}}],
    [{"tramitacoes": "nenhuma"}],
]


async def test_unknown_listing_shape_is_an_error_and_never_empty(cases: RunningStack, court: ScriptedCourt) -> None:
    async def check_shape_is_reported(payload: list[Json]) -> None:
        number = fresh_number()
        court.listings[number] = lambda: Response(json.dumps(payload), media_type="application/json")
        status, documents = await download_process(cases, number)
        assert (status["status"], status["failure"]["code"], documents) == ("failed", "invalid_listing", [])
        assert status["failure"]["retryable"] is True
        assert "documento" in status["failure"]["answer"] or "tramitacoes" in status["failure"]["answer"]

    await asyncio.gather(*(check_shape_is_reported(payload) for payload in UNREADABLE))


def test_every_input_file_is_used() -> None:
    assert {path.name for path in INPUTS.glob("doc-*")} == set(DOCUMENTS)
