"""The shape of a process: its number of documents, their secrecy, and the headers of their binaries."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

SECRECY_WORDS = ("SEGREDO_JUSTICA", "SIGILO_MINIMO", "SIGILO_MEDIO", "SIGILO_INTENSO", "SIGILO_ABSOLUTO")


async def read_process(court: httpx2.AsyncClient, number: str) -> dict[str, Any]:
    (process,) = (await court.get(f"/processos/{number}")).json()
    assert isinstance(process, dict)
    return process


async def list_documents(court: httpx2.AsyncClient, number: str) -> list[dict[str, Any]]:
    """The documents of the current instance, in filing order."""
    documents: list[dict[str, Any]] = (await read_process(court, number))["tramitacaoAtual"]["documentos"]
    return documents[::-1]


@pytest.mark.parametrize("count", [0, 1, 43, 1_200, 10_000])
async def test_a_process_has_as_many_documents_as_configured(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str, count: int
) -> None:
    configured = await control.put(f"/processes/{number}", json={"documents": count, "size_bytes": 2_000})
    documents = await list_documents(court, number)
    assert [document["hrefBinario"].split("/")[4] for document in documents] == configured.json()["document_ids"]
    assert len({document["hrefBinario"] for document in documents}) == count
    assert len({document["idOrigem"] for document in documents}) == count
    for document in documents[:1] + documents[-1:]:
        assert len((await court.get(document["hrefBinario"])).content) == 2_000


async def test_the_second_source_of_a_large_case_doubles_it(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    await control.put(f"/processes/{number}", json={"documents": 173, "second_source": True})
    process = await read_process(court, number)
    first, (second,) = process["tramitacaoAtual"]["documentos"], process["tramitacoes"]
    assert len(first) == len(second["documentos"]) == 173
    assert [document["idOrigem"] for document in first] == [
        document["idOrigem"] for document in second["documentos"]
    ]
    assert len({document["hrefBinario"] for document in first + second["documentos"]}) == 346


async def test_text_only_documents_have_a_text_and_nothing_else(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    shape = {"documents": 9, "text_only_documents": 3}
    ids = (await control.put(f"/processes/{number}", json=shape)).json()["document_ids"]
    documents = await list_documents(court, number)
    assert [index for index, document in enumerate(documents) if "hrefBinario" not in document] == [0, 2, 4]
    for index in (0, 2, 4):
        assert "arquivo" not in documents[index]
        missing = await court.get(f"/processos/{number}/documentos/{ids[index]}/binario")
        assert (missing.status_code, missing.json()["error"]) == (404, "Not Found")
        text = await court.get(documents[index]["hrefTexto"])
        assert (text.status_code, text.headers["content-type"]) == (200, "text/plain; charset=UTF-8")
        assert text.content
    assert (await control.get("/stats")).json()["documents_served"] == {ids[index]: 1 for index in (0, 2, 4)}

    await control.put(f"/processes/{number}", json={**shape, "documents": 12})
    assert (await list_documents(court, number))[:9] == documents


async def test_bare_documents_are_listed_and_have_neither_a_file_nor_a_text(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    shape = {"documents": 5, "bare_documents": 2}
    ids = (await control.put(f"/processes/{number}", json=shape)).json()["document_ids"]
    documents = await list_documents(court, number)
    assert all("arquivo" not in document for document in documents[3:])
    for index, status in ((2, 200), (3, 404), (4, 404)):
        for kind in ("binario", "texto"):
            answer = await court.get(f"/processos/{number}/documentos/{ids[index]}/{kind}")
            assert answer.status_code == status


async def test_every_document_may_be_text_only_in_both_sources_and_instances(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    shape = {"documents": 2, "second_instance_documents": 3, "second_source": True, "text_only_documents": 5}
    assert (await control.put(f"/processes/{number}", json=shape)).status_code == 200
    process = await read_process(court, number)
    instances = [process["tramitacaoAtual"], *process["tramitacoes"]]
    assert [len(instance["documentos"]) for instance in instances] == [3, 2, 3, 2]
    assert not [
        document for instance in instances for document in instance["documentos"] if "hrefBinario" in document
    ]


async def test_secrecy_is_a_word_for_documents_and_a_number_for_processes(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    shape = {"documents": 12, "second_instance_documents": 1, "secret_documents": 5, "secrecy": 3}
    await control.put(f"/processes/{number}", json=shape)
    process = await read_process(court, number)
    current, (other,) = process["tramitacaoAtual"], process["tramitacoes"]
    assert (process["nivelSigilo"], current["nivelSigilo"], other["nivelSigilo"]) == (3, 3, 3)
    words = [document["nivelSigilo"] for document in other["documentos"][::-1]]
    assert [index for index, word in enumerate(words) if word != "PUBLICO"] == [1, 3, 5, 7, 9]
    assert set(words) - {"PUBLICO"} == set(SECRECY_WORDS)
    hit = (await court.get("/processos", params={"numeroProcesso": number})).json()["content"][0]
    assert hit["nivelSigilo"] == 3
    assert {instance["nivelSigilo"] for instance in hit["tramitacoes"]} == {3}
    assert (await court.get(other["documentos"][0]["hrefBinario"])).status_code == 200


async def test_one_document_can_be_secret_and_another_text_only(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    await control.put(
        f"/processes/{number}", json={"documents": 2, "secret_documents": 1, "text_only_documents": 1}
    )
    first, second = await list_documents(court, number)
    assert ("hrefBinario" in first, first["nivelSigilo"]) == (False, "PUBLICO")
    assert ("hrefBinario" in second, second["nivelSigilo"]) == (True, "SIGILO_MINIMO")


async def test_the_headers_of_a_binary_can_be_configured(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    headers = {
        "content_type": "application/octet-stream;charset=UTF-8",
        "content_disposition": 'attachment; filename="doc.pdf"',
    }
    answer = await control.put(f"/processes/{number}", json={"documents": 4, **headers})
    assert headers.items() <= answer.json().items()
    for document in await list_documents(court, number):
        binary = await court.get(document["hrefBinario"])
        assert binary.headers["content-type"] == headers["content_type"]
        assert binary.headers["content-disposition"] == headers["content_disposition"]
    await control.put(f"/processes/{number}", json={"documents": 4})
    assert "content-disposition" not in (await court.get(document["hrefBinario"])).headers
