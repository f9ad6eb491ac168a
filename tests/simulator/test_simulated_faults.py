"""Every kind of fault on the wire, and which requests each order strikes."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import httpx
import pytest

from simulator.fault_kinds import KINDS

SIZE = 40_000


class Process:
    """A process of ten documents, and what its listing says."""

    def __init__(self, court: httpx.AsyncClient, number: str, ids: list[str]) -> None:
        self.court = court
        self.number = number
        self.ids = ids

    async def details(self) -> httpx.Response:
        return await self.court.get(f"/processos/{self.number}")

    async def search(self) -> httpx.Response:
        return await self.court.get("/processos", params={"numeroProcesso": self.number})

    async def binary(self, index: int) -> httpx.Response:
        return await self.court.get(f"/processos/{self.number}/documentos/{self.ids[index]}/binario")

    async def watch(self, index: int, arrivals: list[tuple[float, int]]) -> None:
        """Note when the document's bytes come, and how many."""
        path = f"/processos/{self.number}/documentos/{self.ids[index]}/binario"
        async with self.court.stream("GET", path) as answer:
            assert answer.status_code == 200
            async for piece in answer.aiter_raw():
                arrivals.append((time.monotonic(), len(piece)))  # noqa: PERF401 - what came before a reset counts.

    async def struck(self) -> list[int]:
        """The documents that do not come."""
        answers = await asyncio.gather(*(self.binary(index) for index in range(len(self.ids))))
        return [index for index, answer in enumerate(answers) if answer.status_code != 200]


@pytest.fixture
async def process(court: httpx.AsyncClient, control: httpx.AsyncClient, number: str) -> Process:
    answer = await control.put(f"/processes/{number}", json={"documents": 10, "size_bytes": SIZE})
    return Process(court, number, answer.json()["document_ids"])


async def order(control: httpx.AsyncClient, kind: str, **terms: Any) -> str:
    answer = await control.post("/faults", json={"kind": kind, **terms})
    assert answer.status_code == 200, answer.text
    fault_id = answer.json()["id"]
    assert isinstance(fault_id, str)
    return fault_id


async def test_codex_error_strikes_documents_and_leaves_the_listing(
    process: Process, control: httpx.AsyncClient
) -> None:
    await order(control, "codex_error", number=process.number)
    answer = await process.binary(0)
    assert answer.status_code == 500
    body = answer.json()
    assert isinstance(body["timestamp"], str)
    assert body["timestamp"].endswith("Z")
    assert body["message"] == "Erro interno na API do Codex."
    assert body["path"].endswith(f"/{process.ids[0]}/binario")
    assert body["externalUrlService"].startswith("https://api-processo.data-lake")
    assert 400 < len(answer.content) < 600
    assert (await process.details()).status_code == 200


async def test_throttled_says_when_to_come_back_if_it_was_told_to(
    process: Process, control: httpx.AsyncClient
) -> None:
    fault_id = await order(control, "throttled", number=process.number, retry_after=7)
    for answer in (await process.details(), await process.binary(0), await process.search()):
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    await control.delete(f"/faults/{fault_id}")
    await order(control, "throttled", number=process.number)
    assert "retry-after" not in (await process.details()).headers


async def test_unavailable_and_gateway_timeout(process: Process, control: httpx.AsyncClient) -> None:
    fault_id = await order(control, "unavailable", number=process.number, retry_after=2)
    answer = await process.details()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["error"] == "Service Unavailable"
    await control.delete(f"/faults/{fault_id}")
    await order(control, "gateway_timeout", number=process.number)
    answer = await process.binary(0)
    assert (answer.status_code, answer.headers["content-type"]) == (504, "text/html")


async def test_the_firewall_answers_html_before_it_looks_at_the_token(
    process: Process, control: httpx.AsyncClient
) -> None:
    await order(control, "firewall")
    process.court.headers["Authorization"] = "Bearer none"
    for answer in (await process.details(), await process.binary(3), await process.court.get("/x")):
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "text/html"
        assert "<title>403 Forbidden</title>" in answer.text


async def test_a_rejected_token_is_a_401_with_nothing_in_it(process: Process, control: httpx.AsyncClient) -> None:
    await order(control, "token_rejected", number=process.number)
    answer = await process.details()
    assert (answer.status_code, answer.content) == (401, b"")
    assert "content-type" not in answer.headers


async def test_no_access_is_told_by_the_body(process: Process, control: httpx.AsyncClient) -> None:
    await order(control, "no_access", number=process.number)
    for answer, status in (
        (await process.details(), 401),
        (await process.binary(0), 401),
        (await process.search(), 403),
    ):
        assert answer.status_code == status
        digits = re.sub(r"\D", "", process.number)
        assert answer.json()["message"] == f"Usuário não possui acesso ao processo {digits}"


async def test_not_found_has_three_forms(process: Process, control: httpx.AsyncClient) -> None:
    await order(control, "not_found", number=process.number)
    details = await process.details()
    assert details.status_code == 404
    assert details.json()["message"] == "Não foram encontrados registros"
    binary = await process.binary(0)
    assert binary.status_code == 404
    assert isinstance(binary.json()["timestamp"], int)
    assert (await process.search()).json() == {"content": []}


async def test_sealed_is_a_403_that_is_neither_the_firewalls_nor_about_access(
    process: Process, control: httpx.AsyncClient
) -> None:
    await order(control, "sealed", number=process.number, documents=[2])
    answer = await process.binary(2)
    assert answer.status_code == 403
    assert answer.json()["error"] == "Forbidden"
    assert "acesso" not in answer.text
    assert await process.struck() == [2]


async def test_portal_page_maintenance_and_empty_look_like_success(
    process: Process, control: httpx.AsyncClient
) -> None:
    await order(control, "portal_page", number=process.number, documents=[0])
    await order(control, "maintenance_json", number=process.number, documents=[1])
    await order(control, "empty", number=process.number, documents=[2])
    page, maintenance, empty = [await process.binary(index) for index in range(3)]
    assert page.status_code == maintenance.status_code == empty.status_code == 200
    assert "<app-root" in page.text
    assert len(page.content) == 2422
    assert maintenance.headers["content-type"] == "application/json"
    assert "manutenção" in maintenance.json()["message"]
    assert empty.content == b""
    assert empty.headers["content-length"] == "0"
    assert (await control.get("/stats")).json()["documents_served"] == {}


async def test_maintenance_strikes_the_listing_too(process: Process, control: httpx.AsyncClient) -> None:
    await order(control, "maintenance_json", number=process.number)
    answer = await process.details()
    assert answer.status_code == 200
    assert isinstance(answer.json(), dict)
    assert (await control.get("/stats")).json()["listings"] == 0


async def test_truncated_hides_behind_a_whole_answer_only_where_the_listing_tells_the_size(
    process: Process, control: httpx.AsyncClient
) -> None:
    (listing,) = (await process.details()).json()
    documents = listing["tramitacaoAtual"]["documentos"][::-1]
    await order(control, "truncated", number=process.number)
    told = 0
    for index, document in enumerate(documents):
        if "arquivo" in document:
            told += 1
            answer = await process.binary(index)
            assert answer.headers["content-length"] == str(SIZE // 2)
            assert len(answer.content) == SIZE // 2
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                await process.binary(index)
    assert told
    assert (await control.get("/stats")).json()["documents_served"] == {}


async def test_truncated_breaks_off_where_the_listing_is_silent(
    court: httpx.AsyncClient, control: httpx.AsyncClient, number: str
) -> None:
    await control.put(f"/processes/{number}", json={"documents": 1, "second_source": True})
    (listing,) = (await court.get(f"/processos/{number}")).json()
    (copy,) = listing["tramitacoes"][0]["documentos"]
    await order(control, "truncated", number=number)
    with pytest.raises(httpx.RemoteProtocolError):
        await court.get(copy["hrefBinario"])


@pytest.mark.parametrize("size", [SIZE, 5_000_000])
async def test_reset_ends_the_connection_inside_the_body(
    process: Process, control: httpx.AsyncClient, size: int
) -> None:
    await control.put(f"/processes/{process.number}", json={"documents": 10, "size_bytes": size})
    await order(control, "reset", number=process.number, documents=[4], times=1)
    arrivals: list[tuple[float, int]] = []
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await process.watch(4, arrivals)
    received = sum(length for _, length in arrivals)
    assert 0 < received < size
    assert len((await process.binary(4)).content) == size
    assert (await control.get("/stats")).json()["documents_served"] == {process.ids[4]: 1}


async def test_reset_strikes_the_listing_too(process: Process, control: httpx.AsyncClient) -> None:
    await order(control, "reset", number=process.number)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await process.details()


async def test_slow_drips_the_true_document(process: Process, control: httpx.AsyncClient) -> None:
    await order(control, "slow", number=process.number, delay_seconds=0.02)
    arrivals: list[tuple[float, int]] = []
    await process.watch(0, arrivals)
    assert sum(length for _, length in arrivals) == SIZE
    assert arrivals[-1][0] - arrivals[0][0] >= 7 * 0.02 * 0.9
    assert (await control.get("/stats")).json()["documents_served"] == {process.ids[0]: 1}


async def test_a_client_that_leaves_a_dripping_document_was_not_served(
    process: Process, control: httpx.AsyncClient
) -> None:
    await order(control, "slow", number=process.number, delay_seconds=0.05)
    with pytest.raises(httpx.ReadTimeout):
        await process.court.get(f"/processos/{process.number}/documentos/{process.ids[0]}/binario", timeout=0.01)
    await control.delete("/stats")
    deadline = time.monotonic() + 5
    # What is in flight when the counts are reset is the least that they can show.
    while (await control.get("/stats")).json()["max_concurrent"] and time.monotonic() < deadline:
        await control.delete("/stats")
    assert (await control.get("/stats")).json() == {
        "requests": 0,
        "listings": 0,
        "documents_served": {},
        "max_concurrent": 0,
        "max_per_second": 0,
    }


async def test_a_delay_comes_before_the_faulty_answer(process: Process, control: httpx.AsyncClient) -> None:
    await order(control, "gateway_timeout", number=process.number, delay_seconds=0.1)
    began = time.monotonic()
    assert (await process.details()).status_code == 504
    assert time.monotonic() - began >= 0.1


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_every_kind_strikes_a_document_as_often_as_ordered_and_then_no_more(
    process: Process, control: httpx.AsyncClient, kind: str
) -> None:
    await order(control, kind, number=process.number, documents=[1, 3], times=2, delay_seconds=0.001)
    whole = [SIZE, SIZE]

    async def lengths() -> list[int]:
        received = []
        for index in (1, 3):
            try:
                answer = await process.binary(index)
                received.append(len(answer.content) if answer.status_code == 200 else -1)
            except httpx.TransportError:
                received.append(-2)
        return received

    for _ in range(2):
        assert (await lengths() == whole) is (kind == "slow")
    assert await lengths() == whole


async def test_times_counts_each_document_and_the_listing_by_itself(
    process: Process, control: httpx.AsyncClient
) -> None:
    await order(control, "unavailable", number=process.number, times=1)
    assert await process.struck() == list(range(10))
    assert await process.struck() == []
    assert (await process.details()).status_code == 503
    assert (await process.details()).status_code == 200


@pytest.mark.parametrize(("fraction", "count"), [(0, 0), (0.3, 3), (0.35, 4), (0.5, 5), (1, 10)])
async def test_a_fraction_strikes_that_share_the_same_documents_each_time(
    process: Process, control: httpx.AsyncClient, fraction: float, count: int
) -> None:
    await order(control, "codex_error", number=process.number, documents=fraction)
    struck = await process.struck()
    assert len(struck) == count
    assert await process.struck() == struck
    assert (await process.details()).status_code == 200


async def test_places_are_in_filing_order_over_both_instances(
    court: httpx.AsyncClient, control: httpx.AsyncClient, number: str
) -> None:
    await control.put(f"/processes/{number}", json={"documents": 2, "second_instance_documents": 2})
    await order(control, "codex_error", number=number, documents=[0, 3])
    (listing,) = (await court.get(f"/processos/{number}")).json()
    first, appeal = (
        listing["tramitacoes"][0]["documentos"],
        listing["tramitacaoAtual"]["documentos"],
    )
    statuses = [(await court.get(document["hrefBinario"])).status_code for document in (*first, *appeal)]
    assert statuses == [200, 500, 500, 200]


async def test_a_fault_without_a_number_strikes_every_process(process: Process, control: httpx.AsyncClient) -> None:
    await order(control, "codex_error", documents=[0])
    assert await process.struck() == [0]
    (listing,) = (await process.court.get("/processos/1011745-77.2025.8.11.0041")).json()
    oldest = listing["tramitacaoAtual"]["documentos"][-1]
    assert (await process.court.get(oldest["hrefBinario"])).status_code == 500


async def test_faults_of_one_process_leave_others_and_end_when_deleted(
    process: Process, control: httpx.AsyncClient
) -> None:
    other = "1011745-77.2025.8.11.0041"
    fault_id = await order(control, "no_access", number=re.sub(r"\D", "", process.number))
    assert (await process.court.get(f"/processos/{other}")).status_code == 200
    assert (await process.details()).status_code == 401
    assert (await control.delete(f"/faults/{fault_id}")).status_code == 204
    assert (await process.details()).status_code == 200
    assert (await control.delete(f"/faults/{fault_id}")).status_code == 404


async def test_the_oldest_fault_strikes_first(process: Process, control: httpx.AsyncClient) -> None:
    await order(control, "codex_error", number=process.number, times=1)
    await order(control, "sealed", number=process.number)
    assert [(await process.binary(0)).status_code for _ in range(2)] == [500, 403]
