"""Documents are valid files that never change, also when their process grows."""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import Any

import httpx2
import pytest

from domain.process_number import ProcessNumber
from simulator.case import Shape, build_case, natural_shape
from simulator.files import CHUNK, MIN_FORMATTED_BYTES, PDF, make_file

KNOWN = "1011745-77.2025.8.11.0041"


async def list_documents(court: httpx2.AsyncClient, number: str) -> list[dict[str, Any]]:
    """The documents of the current instance, in filing order."""
    (process,) = (await court.get(f"/processos/{number}")).json()
    documents: list[dict[str, Any]] = process["tramitacaoAtual"]["documentos"]
    return documents[::-1]


async def download_all(court: httpx2.AsyncClient, documents: list[dict[str, Any]]) -> list[bytes]:
    answers = await asyncio.gather(*(court.get(document["hrefBinario"]) for document in documents))
    assert all(answer.status_code == 200 for answer in answers)
    return [answer.content for answer in answers]


def check_pdf(content: bytes) -> None:
    assert content.startswith(b"%PDF-1.")
    assert content.endswith(b"%%EOF\n")
    match = re.search(rb"startxref\n(\d+)\n%%EOF\n$", content)
    assert match is not None
    table = content[int(match[1]) :]
    size = re.match(rb"xref\n0 (\d+)\n0000000000 65535 f \n", table)
    assert size is not None
    offsets = re.findall(rb"(\d{10}) 00000 n \n", table)
    assert len(offsets) == int(size[1]) - 1
    assert b"/Size %d/Root 1 0 R" % int(size[1]) in table
    for number, offset in enumerate(offsets, start=1):
        assert content[int(offset) :].startswith(b"%d 0 obj\n" % number)
    pages = re.search(rb"/Kids\[([^]]+)\]/Count (\d+)", content)
    assert pages is not None
    assert pages[1].count(b"0 R") == int(pages[2])
    streams = list(re.finditer(rb"<</Length (\d+)>>\nstream\n", content))
    assert len(streams) == 2
    for stream in streams:
        assert content[stream.end() + int(stream[1]) :].startswith(b"\nendstream\nendobj\n")


def check_file(content: bytes, media_type: str) -> None:
    match media_type:
        case "application/pdf":
            check_pdf(content)
        case "text/html":
            assert content.startswith(b"<div")
            assert content.endswith(b"</div>\n")
            assert b"<!DOCTYPE" not in content
        case "text/richtext":
            assert content.startswith(b"{\\rtf1")
            assert content.count(b"{") == content.count(b"}")
        case "text/plain":
            content.decode()
        case _:
            raise AssertionError(media_type)


async def test_documents_are_valid_files_of_the_listed_size_and_type(
    court: httpx2.AsyncClient,
) -> None:
    documents = await list_documents(court, KNOWN)
    seen = set()
    for document, content in zip(documents, await download_all(court, documents), strict=True):
        if "arquivo" in document:
            assert len(content) == document["arquivo"]["tamanho"]
            seen.add(document["arquivo"]["tipo"])
            check_file(content, document["arquivo"]["tipo"])
    assert len(seen) == 4


async def test_the_content_type_is_the_listed_one_and_generic_without_one(
    court: httpx2.AsyncClient,
) -> None:
    for document in await list_documents(court, KNOWN):
        answer = await court.head(document["hrefBinario"])
        expected = document.get("arquivo", {}).get("tipo", "application/octet-stream")
        assert answer.headers["content-type"] == expected


async def test_two_documents_of_a_process_are_twins_and_all_others_differ(
    court: httpx2.AsyncClient,
) -> None:
    documents = await list_documents(court, KNOWN)
    digests = [hashlib.sha256(content).hexdigest() for content in await download_all(court, documents)]
    assert len(set(digests)) == 30
    (twin,) = {digest for digest in digests if digests.count(digest) == 2}
    first, second = (document for document, digest in zip(documents, digests, strict=True) if digest == twin)
    assert first["nome"] == second["nome"]
    assert first["hrefBinario"] != second["hrefBinario"]
    assert first["dataHoraJuntada"] < second["dataHoraJuntada"]


async def test_configured_processes_have_no_twins_and_exactly_the_configured_sizes(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    answer = await control.put(f"/processes/{number}", json={"documents": 40, "size_bytes": 3000})
    documents = await list_documents(court, number)
    assert answer.json()["document_ids"] == [document["hrefBinario"].split("/")[4] for document in documents]
    contents = await download_all(court, documents)
    assert len(contents) == len(set(contents)) == 40
    assert {len(content) for content in contents} == {3000}
    for document, content in zip(documents, contents, strict=True):
        if "arquivo" in document:
            assert document["arquivo"]["tamanho"] == 3000
            check_file(content, document["arquivo"]["tipo"])


@pytest.mark.parametrize(
    "size", [1, 39, 100, MIN_FORMATTED_BYTES - 1, MIN_FORMATTED_BYTES, CHUNK, CHUNK + 1, 3_000_000]
)
async def test_any_size_is_possible(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str, size: int
) -> None:
    await control.put(f"/processes/{number}", json={"documents": 1, "size_bytes": size})
    documents = await list_documents(court, number)
    (content,) = await download_all(court, documents)
    assert len(content) == size
    media_type = documents[0]["arquivo"]["tipo"]
    assert media_type == ("application/pdf" if size >= MIN_FORMATTED_BYTES else "text/plain")
    check_file(content, media_type)


def test_a_document_of_a_gibibyte_is_generated_in_pieces() -> None:
    file = make_file(PDF, title="Teste", seed="0" * 40, pages=1, size=1024**3)
    sizes = [len(piece) for piece in file.pieces()]
    assert sum(sizes) == len(file) == 1024**3
    assert max(sizes) == CHUNK


async def test_a_growing_process_keeps_its_documents(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    await control.put(f"/processes/{number}", json={"documents": 10})
    before = await list_documents(court, number)
    bytes_before = await download_all(court, before)
    await control.put(f"/processes/{number}", json={"documents": 15})
    after = await list_documents(court, number)
    assert len(after) == 15
    assert after[:10] == before
    bytes_after = await download_all(court, after)
    assert bytes_after[:10] == bytes_before
    assert len(set(bytes_after)) == 15


async def test_a_process_requested_before_it_grows_keeps_its_twins(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient
) -> None:
    number = next(
        candidate
        for sequence in range(9_000_000, 9_001_000)
        if natural_shape(candidate := _make_number(sequence)).documents == 20
    ).canonical
    before = await list_documents(court, number)
    bytes_before = await download_all(court, before)
    assert len(set(bytes_before)) == 19
    await control.put(f"/processes/{number}", json={"documents": 23})
    after = await list_documents(court, number)
    assert after[:20] == before
    assert (await download_all(court, after))[:20] == bytes_before


def _make_number(sequence: int) -> ProcessNumber:
    check_digits = 98 - int(f"{sequence:07}2026811004100") % 97
    return ProcessNumber.parse(f"{sequence:07}{check_digits:02}20268110041")


async def test_a_process_may_be_empty_or_missing(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    await control.put(f"/processes/{number}", json={"documents": 0})
    assert await list_documents(court, number) == []
    await control.put(f"/processes/{number}", json={"exists": False})
    answer = await court.get(f"/processos/{number}")
    assert answer.status_code == 404
    assert "Não foram encontrados registros" in answer.text
    found = await court.get(f"/processos?numeroProcesso={number}")
    assert found.json() == {"content": []}


async def test_an_appeal_makes_a_second_instance_which_is_the_current_one(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    shape = {"documents": 9, "second_instance_documents": 15}
    ids = (await control.put(f"/processes/{number}", json=shape)).json()["document_ids"]
    assert len(ids) == 24
    (process,) = (await court.get(f"/processos/{number}")).json()
    current, (other,) = process["tramitacaoAtual"], process["tramitacoes"]
    assert current["instancia"] == "SEGUNDO_GRAU"
    assert other["instancia"] == "PRIMEIRO_GRAU"
    assert "distribuicao" in current
    assert "distribuicoes" in other
    assert "distribuicao" not in other
    first, second = other["documentos"][::-1], current["documentos"][::-1]
    assert [document["hrefBinario"].split("/")[4] for document in first + second] == ids
    assert len({document["idOrigem"] for document in first + second}) == 24
    assert len(set(await download_all(court, first + second))) == 24
    hit = (await court.get(f"/processos?numeroProcesso={number}")).json()["content"][0]
    assert [instance["grau"]["sigla"] for instance in hit["tramitacoes"]] == ["G2", "G1"]

    await control.put(f"/processes/{number}", json={**shape, "documents": 12})
    (grown,) = (await court.get(f"/processos/{number}")).json()
    assert grown["tramitacaoAtual"]["documentos"] == current["documentos"]
    assert grown["tramitacoes"][0]["documentos"][3:] == other["documentos"]


async def test_a_second_source_lists_the_same_documents_with_other_ids(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    await control.put(f"/processes/{number}", json={"documents": 17, "second_source": True})
    (process,) = (await court.get(f"/processos/{number}")).json()
    first, (second,) = process["tramitacaoAtual"], process["tramitacoes"]
    assert first["grau"] == second["grau"]
    assert first["idFonteDadosCodex"] != second["idFonteDadosCodex"]
    pairs = list(zip(first["documentos"], second["documentos"], strict=True))
    assert len(pairs) == 17
    for original, copy in pairs:
        assert original["idOrigem"] == copy["idOrigem"]
        assert original["hrefBinario"] != copy["hrefBinario"]
        assert original["idCodex"] != copy["idCodex"]
        assert "arquivo" not in copy
    assert await download_all(court, first["documentos"]) == await download_all(court, second["documentos"])


def test_the_documents_of_every_process_are_distinct_except_for_its_twins() -> None:
    for sequence in range(200):
        number = _make_number(sequence)
        shape = natural_shape(number)
        documents = build_case(number, shape).documents
        assert 1 <= len(documents) <= 60
        twins = 1 if len(documents) >= 12 else 0
        assert len({document.seed for document in documents}) == len(documents) - twins
        assert len({document.id for document in documents}) == len(documents)
        sequences = [document.sequence for document in documents]
        assert sequences == sorted(sequences)
        # Documents do not depend on how many there are.
        grown = build_case(number, Shape(shape.documents + 5, twins=shape.twins)).documents
        assert grown[: len(documents)] == documents
