"""Which requests a fault affects, and how often."""

from __future__ import annotations

import re

import httpx2
import pytest

from simulator.fault_kinds import KINDS
from tests.integration.simulator.simulated_process import SIZE, SimulatedProcess, inject_fault


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"broken_details"}))
async def test_every_kind_affects_a_document_as_often_as_configured(
    process: SimulatedProcess, control: httpx2.AsyncClient, kind: str
) -> None:
    await inject_fault(control, kind, number=process.number, documents=[1, 3], times=2, delay_seconds=0.001)
    complete = [SIZE, SIZE]

    async def download_lengths() -> list[int]:
        received = []
        for index in (1, 3):
            try:
                answer = await process.download(index)
                received.append(len(answer.content) if answer.status_code == 200 else -1)
            except httpx2.TransportError:
                received.append(-2)
        return received

    for _ in range(2):
        assert (await download_lengths() == complete) is (kind in {"slow", "mismatched"})
    assert await download_lengths() == complete


async def test_times_counts_each_document_and_the_listing_separately(
    process: SimulatedProcess, control: httpx2.AsyncClient
) -> None:
    await inject_fault(control, "unavailable", number=process.number, times=1)
    assert await process.list_failing_documents() == list(range(10))
    assert await process.list_failing_documents() == []
    assert (await process.read_details()).status_code == 503
    assert (await process.read_details()).status_code == 200


@pytest.mark.parametrize(("fraction", "count"), [(0, 0), (0.3, 3), (0.35, 4), (0.5, 5), (1, 10)])
async def test_a_fraction_affects_the_same_share_of_documents_each_time(
    process: SimulatedProcess, control: httpx2.AsyncClient, fraction: float, count: int
) -> None:
    await inject_fault(control, "codex_error", number=process.number, documents=fraction)
    failing = await process.list_failing_documents()
    assert len(failing) == count
    assert await process.list_failing_documents() == failing
    assert (await process.read_details()).status_code == 200


async def test_positions_are_in_filing_order_over_both_instances(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    await control.put(f"/processes/{number}", json={"documents": 2, "second_instance_documents": 2})
    await inject_fault(control, "codex_error", number=number, documents=[0, 3])
    (listing,) = (await court.get(f"/processos/{number}")).json()
    first, appeal = (
        listing["tramitacoes"][0]["documentos"],
        listing["tramitacaoAtual"]["documentos"],
    )
    statuses = [(await court.get(document["hrefBinario"])).status_code for document in (*first, *appeal)]
    assert statuses == [200, 500, 500, 200]


async def test_a_fault_without_a_number_affects_every_process(
    process: SimulatedProcess, control: httpx2.AsyncClient
) -> None:
    await inject_fault(control, "codex_error", documents=[0])
    assert await process.list_failing_documents() == [0]
    (listing,) = (await process.court.get("/processos/1011745-77.2025.8.11.0041")).json()
    oldest = listing["tramitacaoAtual"]["documentos"][-1]
    assert (await process.court.get(oldest["hrefBinario"])).status_code == 500


async def test_a_fault_of_one_process_spares_others_and_ends_when_deleted(
    process: SimulatedProcess, control: httpx2.AsyncClient
) -> None:
    other = "1011745-77.2025.8.11.0041"
    fault_id = await inject_fault(control, "no_access", number=re.sub(r"\D", "", process.number))
    assert (await process.court.get(f"/processos/{other}")).status_code == 200
    assert (await process.read_details()).status_code == 401
    assert (await control.delete(f"/faults/{fault_id}")).status_code == 204
    assert (await process.read_details()).status_code == 200
    assert (await control.delete(f"/faults/{fault_id}")).status_code == 404


async def test_the_oldest_fault_applies_first(process: SimulatedProcess, control: httpx2.AsyncClient) -> None:
    await inject_fault(control, "codex_error", number=process.number, times=1)
    await inject_fault(control, "sealed", number=process.number)
    assert [(await process.download(0)).status_code for _ in range(2)] == [500, 403]
