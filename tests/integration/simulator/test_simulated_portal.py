"""The portal's API, as clients have captured it."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import httpx2
import pytest

KNOWN = "1011745-77.2025.8.11.0041"
DIGITS = "10117457720258110041"


async def read_process(court: httpx2.AsyncClient, number: str = KNOWN) -> dict[str, Any]:
    answer = await court.get(f"/processos/{number}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.content))
    (process,) = answer.json()
    assert isinstance(process, dict)
    return process


async def test_details_are_an_array_of_one_with_the_documents_in_the_current_instance(
    court: httpx2.AsyncClient,
) -> None:
    process = await read_process(court)
    assert process.keys() == {"nivelSigilo", "siglaTribunal", "numeroProcesso", "tramitacaoAtual"}
    assert process["nivelSigilo"] == 0
    assert process["siglaTribunal"] == "TJMT"
    assert process["numeroProcesso"] == KNOWN
    assert process["tramitacaoAtual"]["grau"] == {"sigla": "G1", "nome": "1° Grau", "numero": 1}
    assert process["tramitacaoAtual"]["tribunal"]["jtr"] == "811"
    assert len(process["tramitacaoAtual"]["documentos"]) == 31


async def test_both_forms_of_the_number_mean_the_same_process(court: httpx2.AsyncClient) -> None:
    assert (await court.get(f"/processos/{KNOWN}")).content == (await court.get(f"/processos/{DIGITS}")).content


async def test_documents_come_newest_first_with_gaps_repeated_names_and_missing_fields(
    court: httpx2.AsyncClient,
) -> None:
    process = await read_process(court)
    documents = process["tramitacaoAtual"]["documentos"]
    sequence = [document["sequencia"] for document in documents]
    assert sequence == sorted(set(sequence), reverse=True)
    assert max(sequence) > len(documents)
    names = [document["nome"] for document in documents]
    assert len(set(names)) < len(names)
    assert any("/" in name for name in names)
    assert any(not name.isascii() for name in names)
    assert any("." not in name for name in names)
    assert any(";" in name and "," in name for name in names)
    assert 0 < sum("codigo" not in document["tipo"] for document in documents) < 15
    assert 0 < sum("arquivo" not in document for document in documents) < 10
    fractions = set()
    for document in documents:
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?", document["dataHoraJuntada"])
        fractions.add(len(document["dataHoraJuntada"].partition(".")[2]))
        assert document["idCodex"] > 2**31
        assert isinstance(document["idOrigem"], str)
        assert document["nivelSigilo"] == "PUBLICO"
        assert UUID(document["hrefBinario"].split("/")[4]).version == 5
        assert document["hrefTexto"] == document["hrefBinario"].replace("/binario", "/texto")
    assert fractions == {0, 1, 2, 3}
    described = [document["arquivo"] for document in documents if "arquivo" in document]
    assert {file["tipo"] for file in described} == {
        "application/pdf",
        "text/html",
        "text/richtext",
        "text/plain",
    }
    assert len({document["idOrigem"] for document in documents}) == 31
    movements = [movement["descricao"] for movement in process["tramitacaoAtual"]["movimentos"]]
    assert "Juntada de Sob sigilo" in movements


async def test_keys_without_a_value_are_omitted_and_never_null(court: httpx2.AsyncClient) -> None:
    for number in (KNOWN, "0000001-39.2024.8.26.0100", "7654321-30.2020.4.01.3400"):
        assert "null" not in json.dumps(await read_process(court, number), ensure_ascii=False)


async def test_the_number_of_documents_is_derived_from_the_process_number(
    court: httpx2.AsyncClient,
) -> None:
    counts = []
    for number in ("0123456-69.2023.5.02.0011", "9999999-59.2025.8.11.0041", "0000042-96.2019.1.00.0000"):
        process = await read_process(court, number)
        counts.append(len(process["tramitacaoAtual"]["documentos"]))
    assert all(1 <= count <= 60 for count in counts)
    assert len(set(counts)) > 1


async def test_hrefs_are_relative_to_the_api_and_on_the_host_alone_lead_to_the_portals_page(
    court: httpx2.AsyncClient, origin: str
) -> None:
    document = (await read_process(court))["tramitacaoAtual"]["documentos"][-1]
    right = await court.get(document["hrefBinario"])
    assert right.content.startswith(b"%PDF")
    wrong = await court.get(urljoin(f"{origin}/api/v2/", document["hrefBinario"]))
    assert wrong.status_code == 200
    assert wrong.headers["content-type"] == "text/html"
    assert len(wrong.content) == 2422
    assert wrong.text.startswith('<!DOCTYPE html><html lang="pt-br">')
    assert "<title>Portal de Serviços do Poder Judiciário</title>" in wrong.text
    assert "<app-root" in wrong.text
    assert "ng-version" in wrong.text


@pytest.mark.parametrize("path", ["/", "/consulta", "/apis/x", "/processos"])
async def test_every_other_path_is_the_portals_page_without_a_token(origin: str, path: str) -> None:
    async with httpx2.AsyncClient(timeout=60, trust_env=False, verify=False) as client:
        answer = await client.get(origin + path)
    assert (answer.status_code, len(answer.content)) == (200, 2422)


@pytest.mark.parametrize(
    "path",
    [
        f"/processos/{KNOWN}/documentos",
        f"/processos/{KNOWN}/documentos/00000000-0000-5000-8000-000000000000",
        f"/processos/{KNOWN}/documentos/00000000-0000-5000-8000-000000000000/binario",
        f"/processos/{KNOWN}/partes",
        "/health",
    ],
)
async def test_unknown_paths_and_documents_get_springs_404(court: httpx2.AsyncClient, path: str) -> None:
    answer = await court.get(path)
    assert answer.status_code == 404
    body = answer.json()
    assert isinstance(body.pop("timestamp"), int)
    assert body == {"status": 404, "error": "Not Found", "message": "", "path": f"/api/v2{path}"}


async def test_an_unknown_method_gets_springs_404_too(court: httpx2.AsyncClient) -> None:
    answer = await court.post("/processos/batch")
    assert (answer.status_code, answer.json()["error"]) == (404, "Not Found")


@pytest.mark.parametrize("unknown", ["1011745-78.2025.8.11.0041", "123", "abc"])
async def test_numbers_that_cannot_exist_are_not_in_the_index(court: httpx2.AsyncClient, unknown: str) -> None:
    answer = await court.get(f"/processos/{unknown}")
    assert answer.status_code == 404
    assert answer.json()["message"] == "Não foram encontrados registros"
    found = await court.get("/processos", params={"numeroProcesso": unknown})
    assert (found.status_code, found.json()) == (200, {"content": []})


@pytest.mark.parametrize("path", ["/processos", "/processos/"])
@pytest.mark.parametrize("number", [KNOWN, DIGITS])
async def test_search_by_number_has_one_hit_without_documents(
    court: httpx2.AsyncClient, path: str, number: str
) -> None:
    answer = await court.get(path, params={"numeroProcesso": number})
    body = answer.json()
    assert body.keys() == {"total", "numberOfElements", "maxElementsSize", "content"}
    assert (body["total"], body["numberOfElements"], body["maxElementsSize"]) == (1, 1, 100)
    (hit,) = body["content"]
    assert hit["numeroProcesso"] == DIGITS
    assert [instance["grau"]["sigla"] for instance in hit["tramitacoes"]] == ["G1"]
    assert "documentos" not in hit["tramitacoes"][0]


async def test_the_page_after_the_last_one_of_a_search_is_a_404(court: httpx2.AsyncClient) -> None:
    answer = await court.get(f"/processos?numeroProcesso={DIGITS}&searchAfter=1744391412000,{DIGITS}")
    assert answer.status_code == 404
    assert "Não foram encontrados registros" in answer.text


@pytest.mark.parametrize("path", [f"/processos/{KNOWN}", "/processos?numeroProcesso=1", "/nothing"])
async def test_without_a_valid_token_there_is_a_401_with_an_empty_body(
    court: httpx2.AsyncClient, path: str
) -> None:
    for authorization in ("", "Bearer", "Bearer a.b.c", "Basic YTpi"):
        answer = await court.get(path, headers={"Authorization": authorization})
        assert (answer.status_code, answer.content) == (401, b"")
        assert "content-type" not in answer.headers
        assert answer.headers["content-length"] == "0"


async def test_the_data_lake_serves_the_same_text_and_bytes(court: httpx2.AsyncClient, origin: str) -> None:
    document = (await read_process(court))["tramitacaoAtual"]["documentos"][3]
    document_id = document["hrefTexto"].split("/")[4]
    text = await court.get(document["hrefTexto"])
    assert text.headers["content-type"].startswith("text/plain")
    assert document_id not in text.text
    assert len(text.content) == document["arquivo"]["tamanhoTexto"]
    lake = f"{origin}/processo-api/api/v1/processos/{DIGITS}/documentos/{document_id}"
    query = {"numeroProcesso": KNOWN, "idDocumento": document_id}
    assert (await court.get(f"{lake}/texto", params=query)).content == text.content
    assert (await court.get(f"{lake}/binario")).content == (await court.get(document["hrefBinario"])).content
    assert (await court.get(f"{lake}/texto", headers={"Authorization": "Bearer x"})).status_code == 401


async def test_texts_have_the_odd_characters_of_the_courts_extraction(court: httpx2.AsyncClient) -> None:
    documents = (await read_process(court))["tramitacaoAtual"]["documentos"]
    texts = [(await court.get(document["hrefTexto"])).content for document in documents]
    assert any(b"\x00\x1a" in text for text in texts)
    assert all(b"\r\n" in text and "\u00a0".encode() in text for text in texts)
    assert len(set(texts)) == 30  # The twins have the same text.


async def test_head_has_the_size_and_does_not_count_as_served(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient
) -> None:
    document = (await read_process(court))["tramitacaoAtual"]["documentos"][-1]
    answer = await court.head(document["hrefBinario"])
    assert answer.headers["content-length"] == str(document["arquivo"]["tamanho"])
    assert (await control.get("/stats")).json()["documents_served"] == {}
