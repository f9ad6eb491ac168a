"""The data lake behind the portal: the same processes in another form."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

KNOWN = "1011745-77.2025.8.11.0041"
DIGITS = "10117457720258110041"


@pytest.fixture
async def lake(court: httpx2.AsyncClient, origin: str) -> httpx2.AsyncClient:
    """A client of the data lake's API, with a valid token."""
    court.base_url = httpx2.URL(f"{origin}/processo-api/api/v1")
    return court


async def read_process(lake: httpx2.AsyncClient, number: str) -> dict[str, Any]:
    answer = await lake.get(f"/processos/{number}")
    assert answer.headers["content-type"] == "application/json"
    (process,) = answer.json()
    assert isinstance(process, dict)
    return process


async def test_details_have_every_instance_and_no_current_one(
    lake: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    await control.put(f"/processes/{number}", json={"documents": 9, "second_instance_documents": 15})
    process = await read_process(lake, number)
    assert "tramitacaoAtual" not in process
    assert process["numeroProcesso"] == number
    assert [instance["grau"]["sigla"] for instance in process["tramitacoes"]] == ["G2", "G1"]
    assert [len(instance["documentos"]) for instance in process["tramitacoes"]] == [15, 9]
    assert (await control.get("/stats")).json()["listings"] == 1


async def test_unknown_values_are_null_and_documents_have_ids_instead_of_urls(
    lake: httpx2.AsyncClient, control: httpx2.AsyncClient, origin: str
) -> None:
    (instance,) = (await read_process(lake, DIGITS))["tramitacoes"]
    assert instance["dataBaixa"] is None
    assert instance["competencia"] is None
    portal = await lake.get(f"{origin}/api/v2/processos/{KNOWN}")
    (details,) = portal.json()
    for item, other in zip(instance["documentos"], details["tramitacaoAtual"]["documentos"], strict=True):
        assert not item.keys() & {"hrefBinario", "hrefTexto"}
        assert item["id"] == other["hrefBinario"].split("/")[4]
        assert item["idOrigem"] == other["idOrigem"]
        assert item["signatarios"] is None
        assert item["tipo"]["codigo"] == other["tipo"].get("codigo")
        if "arquivo" in other:
            assert item["arquivo"]["tamanho"] == other["arquivo"]["tamanho"]
            assert item["arquivo"]["tipo"] == other["arquivo"]["tipo"].upper().replace("/", "_")
            assert item["arquivo"]["id"]
        else:
            assert item["arquivo"] is None


async def test_the_documents_of_all_instances_are_one_list(
    lake: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    shape = {"documents": 3, "second_source": True, "text_only_documents": 1}
    await control.put(f"/processes/{number}", json=shape)
    listed = (await lake.get(f"/processos/{number}/documentos")).json()
    assert listed["numeroProcesso"] == number
    assert "tramitacoes" not in listed
    assert len({item["id"] for item in listed["documentos"]}) == 6
    await control.put(f"/processes/{number}", json={"documents": 0})
    assert (await lake.get(f"/processos/{number}/documentos")).json()["documentos"] == []


async def test_an_absent_process_has_the_data_lakes_responses(
    lake: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    await control.put(f"/processes/{number}", json={"exists": False})
    details = await lake.get(f"/processos/{number}")
    assert (details.status_code, details.json()) == (200, [])
    for path in (f"/processos/{number}/documentos", f"/processos?numeroProcesso={number}"):
        answer = await lake.get(path)
        assert (answer.status_code, answer.json()["message"]) == (404, "Não foram encontrados registros")
    for question in ("existe", "possui-acesso"):
        assert (await lake.get(f"/processos/{number}/{question}")).text == "false"


async def test_search_by_number_writes_it_with_punctuation(lake: httpx2.AsyncClient) -> None:
    body = (await lake.get("/processos", params={"numeroProcesso": DIGITS})).json()
    assert (body["total"], body["content"][0]["numeroProcesso"]) == (1, KNOWN)
    past = await lake.get("/processos", params={"numeroProcesso": DIGITS, "searchAfter": f"1,{DIGITS}"})
    assert past.status_code == 404


async def test_existence_and_access_are_bare_booleans_that_faults_change(
    lake: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    async def read_answers() -> list[str]:
        return [
            (await lake.get(f"/processos/{number}/{question}")).text for question in ("existe", "possui-acesso")
        ]

    assert await read_answers() == ["true", "true"]
    await control.post("/faults", json={"kind": "no_access", "number": number})
    assert await read_answers() == ["true", "false"]
    await control.delete("/faults")
    await control.post("/faults", json={"kind": "not_found", "number": number})
    assert await read_answers() == ["false", "false"]


async def test_a_link_is_prepared_first_and_then_needs_no_token(
    lake: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str, origin: str
) -> None:
    (document_id,) = (await control.put(f"/processes/{number}", json={"documents": 1})).json()["document_ids"]
    path = f"/processos/{number}/documentos/{document_id}"
    first = await lake.get(f"{path}/binario-url")
    assert (first.status_code, first.headers["retry-after"], first.content) == (202, "1", b"")
    second = await lake.get(f"{path}/binario-url")
    assert second.status_code == 200
    address = second.text.strip('"')
    assert address.startswith(f"{origin}/")
    async with httpx2.AsyncClient(timeout=60, trust_env=False, verify=False) as anonymous:
        fetched = await anonymous.get(address)
        signature = address.split("/temporario/")[1].split("/")[0]
        forged = await anonymous.get(address.replace(signature, "0" * len(signature)))
    assert fetched.content == (await lake.get(f"{path}/binario")).content
    assert forged.status_code == 404


async def test_a_text_only_document_has_no_link(
    lake: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    shape = {"documents": 1, "text_only_documents": 1}
    (document_id,) = (await control.put(f"/processes/{number}", json=shape)).json()["document_ids"]
    answer = await lake.get(f"/processos/{number}/documentos/{document_id}/binario-url")
    assert (answer.status_code, answer.json()["error"]) == (404, "Not Found")


@pytest.mark.parametrize(
    "path", [f"/processos/{KNOWN}/movimentos", "/processos:contar", f"/processos/stream/{KNOWN}"]
)
async def test_routes_that_are_not_simulated_are_springs_404(lake: httpx2.AsyncClient, path: str) -> None:
    answer = await lake.get(path)
    assert (answer.status_code, answer.json()["error"]) == (404, "Not Found")
