"""Searches by lawyer and by party, page by page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from domain.process_number import ProcessNumber
from simulator.search import BUSY_LAWYER


async def read_page(court: httpx2.AsyncClient, **query: str) -> httpx2.Response:
    return await court.get("/processos", params=query)


async def read_all_pages(court: httpx2.AsyncClient, **query: str) -> list[dict[str, Any]]:
    """Return all pages, until the court responds that there are no more."""
    pages: list[dict[str, Any]] = []
    answer = await read_page(court, **query)
    while answer.status_code == 200:
        pages.append(answer.json())
        cursor = ",".join(map(str, pages[-1]["searchAfter"]))
        answer = await read_page(court, searchAfter=cursor, **query)
    assert answer.status_code == 404
    assert answer.json()["message"] == "Não foram encontrados registros"
    return pages


async def test_a_busy_lawyer_fills_ten_pages(court: httpx2.AsyncClient) -> None:
    pages = await read_all_pages(court, oabRepresentante=BUSY_LAWYER)
    assert [page["numberOfElements"] for page in pages] == [100] * 9 + [88]
    hits = [hit for page in pages for hit in page["content"]]
    assert len({hit["numeroProcesso"] for hit in hits}) == 988
    for page in pages:
        assert page.keys() == {"total", "numberOfElements", "maxElementsSize", "searchAfter", "content"}
        assert (page["total"], page["maxElementsSize"], len(page["content"])) == (
            988,
            100,
            page["numberOfElements"],
        )
        moment, number = page["searchAfter"]
        last = page["content"][-1]
        assert number == last["numeroProcesso"]
        last_moved = datetime.fromisoformat(last["tramitacoes"][0]["ultimoMovimento"]["dataHora"]).replace(
            tzinfo=UTC
        )
        assert moment == round(last_moved.timestamp() * 1000)
    assert all(later["searchAfter"] < earlier["searchAfter"] for earlier, later in pairwise(pages))
    assert len({hit["siglaTribunal"] for hit in hits}) > 20


async def test_processes_in_search_results_can_be_read(court: httpx2.AsyncClient) -> None:
    hits = (await read_page(court, oabRepresentante=BUSY_LAWYER)).json()["content"]
    for hit in hits[:3]:
        number = ProcessNumber.parse(hit["numeroProcesso"]).canonical
        (process,) = (await court.get(f"/processos/{number}")).json()
        assert process["numeroProcesso"] == number
        assert process["tramitacaoAtual"]["documentos"]


async def test_the_processes_of_a_person_are_derived_from_their_number(court: httpx2.AsyncClient) -> None:
    lawyers = [f"MT{number}" for number in range(100, 108)]
    totals = []
    for lawyer in lawyers:
        pages = await read_all_pages(court, oabRepresentante=lawyer)
        again = await read_page(court, oabRepresentante=lawyer.lower())
        assert again.json() == (pages[0] if pages else {"content": []})
        totals.append(pages[0]["total"])
        assert totals[-1] == sum(page["numberOfElements"] for page in pages)
    assert len(set(totals)) > 4
    assert min(totals) < 100 < max(totals) <= 250


async def test_parties_are_found_by_their_number_with_and_without_punctuation(court: httpx2.AsyncClient) -> None:
    totals = set()
    for first in range(10):
        plain = await read_page(court, cpfCnpjParte=f"{first}0000000191")
        assert plain.json() == (await read_page(court, cpfCnpjParte=f"{first}00.000.001-91")).json()
        totals.add(plain.json().get("total", 0))
    assert len(totals) > 3
    assert max(totals) <= 12
    company = await read_page(court, cpfCnpjParte="12.ABC.345/01DE-35")
    assert company.json() == (await read_page(court, cpfCnpjParte="12ABC34501DE35")).json()


@pytest.mark.parametrize(
    "query", [{}, {"oabRepresentante": "12345"}, {"oabRepresentante": "PR"}, {"cpfCnpjParte": "123"}]
)
async def test_a_search_for_nobody_finds_nothing(court: httpx2.AsyncClient, query: dict[str, str]) -> None:
    answer = await read_page(court, **query)
    assert (answer.status_code, answer.json()) == (200, {"content": []})


async def test_a_malformed_cursor_is_a_404(court: httpx2.AsyncClient) -> None:
    after = (await read_page(court, oabRepresentante=BUSY_LAWYER)).json()["searchAfter"]
    for cursor in (json.dumps(after), "", str(after[0]), f"{after[1]},{after[0]}"):
        answer = await court.get("/processos/", params={"oabRepresentante": BUSY_LAWYER, "searchAfter": cursor})
        assert answer.status_code == 404
        assert "Não foram encontrados registros" in answer.text


async def test_a_process_that_no_longer_exists_is_not_found(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient
) -> None:
    query = {"oabRepresentante": "SP4242"}
    before = (await read_page(court, **query)).json()
    gone = before["content"][0]["numeroProcesso"]
    await control.put(f"/processes/{gone}", json={"exists": False})
    after = (await read_page(court, **query)).json()
    assert after["total"] == before["total"] - 1
    assert gone not in {hit["numeroProcesso"] for hit in after["content"]}
