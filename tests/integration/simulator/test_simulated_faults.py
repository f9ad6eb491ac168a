"""The response of every kind of fault."""

from __future__ import annotations

import asyncio
import re
import time
from types import SimpleNamespace

import httpx2
import pytest

from simulator import wire
from simulator.files import CHUNK
from tests.integration.simulator.simulated_process import SIZE, SimulatedProcess, inject_fault


async def test_codex_error_affects_documents_and_not_the_listing(
    process: SimulatedProcess, control: httpx2.AsyncClient
) -> None:
    await inject_fault(control, "codex_error", number=process.number)
    answer = await process.download(0)
    assert answer.status_code == 500
    body = answer.json()
    assert isinstance(body["timestamp"], str)
    assert body["timestamp"].endswith("Z")
    assert body["message"] == "Erro interno na API do Codex."
    assert body["path"].endswith(f"/{process.ids[0]}/binario")
    assert body["externalUrlService"].startswith("https://api-processo.data-lake")
    assert 400 < len(answer.content) < 600
    assert (await process.read_details()).status_code == 200


async def test_throttled_has_retry_after_only_if_configured(
    process: SimulatedProcess, control: httpx2.AsyncClient
) -> None:
    fault_id = await inject_fault(control, "throttled", number=process.number, retry_after=7)
    for answer in (await process.read_details(), await process.download(0), await process.search()):
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    await control.delete(f"/faults/{fault_id}")
    await inject_fault(control, "throttled", number=process.number)
    assert "retry-after" not in (await process.read_details()).headers


async def test_unavailable_and_gateway_timeout(process: SimulatedProcess, control: httpx2.AsyncClient) -> None:
    fault_id = await inject_fault(control, "unavailable", number=process.number, retry_after=2)
    answer = await process.read_details()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["error"] == "Service Unavailable"
    await control.delete(f"/faults/{fault_id}")
    await inject_fault(control, "gateway_timeout", number=process.number)
    answer = await process.download(0)
    assert (answer.status_code, answer.headers["content-type"]) == (504, "text/html")


async def test_the_firewall_responds_in_html_before_the_token_is_checked(
    process: SimulatedProcess, control: httpx2.AsyncClient
) -> None:
    await inject_fault(control, "firewall")
    process.court.headers["Authorization"] = "Bearer none"
    for answer in (await process.read_details(), await process.download(3), await process.court.get("/x")):
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "text/html"
        assert "<title>403 Forbidden</title>" in answer.text


async def test_a_rejected_token_is_a_401_with_an_empty_body(
    process: SimulatedProcess, control: httpx2.AsyncClient
) -> None:
    await inject_fault(control, "token_rejected", number=process.number)
    answer = await process.read_details()
    assert (answer.status_code, answer.content) == (401, b"")
    assert "content-type" not in answer.headers


async def test_no_access_has_its_reason_in_the_body(process: SimulatedProcess, control: httpx2.AsyncClient) -> None:
    await inject_fault(control, "no_access", number=process.number)
    for answer, status in (
        (await process.read_details(), 401),
        (await process.download(0), 401),
        (await process.search(), 403),
    ):
        assert answer.status_code == status
        digits = re.sub(r"\D", "", process.number)
        assert answer.json()["message"] == f"Usuário não possui acesso ao processo {digits}"


async def test_not_found_has_three_forms(process: SimulatedProcess, control: httpx2.AsyncClient) -> None:
    await inject_fault(control, "not_found", number=process.number)
    read_details = await process.read_details()
    assert read_details.status_code == 404
    assert read_details.json()["message"] == "Não foram encontrados registros"
    download = await process.download(0)
    assert download.status_code == 404
    assert isinstance(download.json()["timestamp"], int)
    assert (await process.search()).json() == {"content": []}


async def test_sealed_is_a_403_that_is_neither_the_firewalls_nor_about_access(
    process: SimulatedProcess, control: httpx2.AsyncClient
) -> None:
    await inject_fault(control, "sealed", number=process.number, documents=[2])
    answer = await process.download(2)
    assert answer.status_code == 403
    assert answer.json()["error"] == "Forbidden"
    assert "acesso" not in answer.text
    assert await process.list_failing_documents() == [2]


async def test_portal_page_maintenance_and_empty_look_like_success(
    process: SimulatedProcess, control: httpx2.AsyncClient
) -> None:
    await inject_fault(control, "portal_page", number=process.number, documents=[0])
    await inject_fault(control, "maintenance_json", number=process.number, documents=[1])
    await inject_fault(control, "empty", number=process.number, documents=[2])
    page, maintenance, empty = [await process.download(index) for index in range(3)]
    assert page.status_code == maintenance.status_code == empty.status_code == 200
    assert "<app-root" in page.text
    assert len(page.content) == 2422
    assert maintenance.headers["content-type"] == "application/json"
    assert "manutenção" in maintenance.json()["message"]
    assert empty.content == b""
    assert empty.headers["content-length"] == "0"
    assert (await control.get("/stats")).json()["documents_served"] == {}


async def test_maintenance_affects_the_listing_too(process: SimulatedProcess, control: httpx2.AsyncClient) -> None:
    await inject_fault(control, "maintenance_json", number=process.number)
    answer = await process.read_details()
    assert answer.status_code == 200
    assert isinstance(answer.json(), dict)
    assert (await control.get("/stats")).json()["listings"] == 0


# A document of the second size is sent in several pieces, its half in one.
@pytest.mark.parametrize("size", [SIZE, 300_000])
async def test_truncated_looks_complete_only_if_the_listing_has_the_size(
    process: SimulatedProcess, control: httpx2.AsyncClient, size: int
) -> None:
    await control.put(f"/processes/{process.number}", json={"documents": 10, "size_bytes": size})
    (listing,) = (await process.read_details()).json()
    documents = listing["tramitacaoAtual"]["documentos"][::-1]
    await inject_fault(control, "truncated", number=process.number)
    with_size = 0
    for index, document in enumerate(documents):
        if "arquivo" in document:
            with_size += 1
            answer = await process.download(index)
            assert answer.headers["content-length"] == str(size // 2)
            assert len(answer.content) == size // 2
        else:
            with pytest.raises(httpx2.RemoteProtocolError):
                await process.download(index)
    assert with_size
    assert (await control.get("/stats")).json()["documents_served"] == {}


async def test_truncated_ends_early_if_the_listing_has_no_size(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    await control.put(f"/processes/{number}", json={"documents": 1, "second_source": True})
    (listing,) = (await court.get(f"/processos/{number}")).json()
    (copy,) = listing["tramitacoes"][0]["documentos"]
    await inject_fault(control, "truncated", number=number)
    with pytest.raises(httpx2.RemoteProtocolError):
        await court.get(copy["hrefBinario"])


@pytest.mark.parametrize("size", [SIZE, 5_000_000])
async def test_reset_ends_the_connection_inside_the_body(
    process: SimulatedProcess, control: httpx2.AsyncClient, size: int
) -> None:
    await control.put(f"/processes/{process.number}", json={"documents": 10, "size_bytes": size})
    await inject_fault(control, "reset", number=process.number, documents=[4], times=1)
    arrivals: list[tuple[float, int]] = []
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        await process.record_arrivals(4, arrivals)
    received = sum(length for _, length in arrivals)
    assert 0 < received < size
    assert len((await process.download(4)).content) == size
    assert (await control.get("/stats")).json()["documents_served"] == {process.ids[4]: 1}


async def test_reset_affects_the_listing_too(process: SimulatedProcess, control: httpx2.AsyncClient) -> None:
    await inject_fault(control, "reset", number=process.number)
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        await process.read_details()


async def test_slow_sends_the_true_document_in_pieces(
    process: SimulatedProcess, control: httpx2.AsyncClient
) -> None:
    await inject_fault(control, "slow", number=process.number, delay_seconds=0.02)
    arrivals: list[tuple[float, int]] = []
    await process.record_arrivals(0, arrivals)
    assert sum(length for _, length in arrivals) == SIZE
    assert arrivals[-1][0] - arrivals[0][0] >= 7 * 0.02 * 0.9
    assert (await control.get("/stats")).json()["documents_served"] == {process.ids[0]: 1}


async def test_a_client_that_disconnects_from_a_slow_document_is_not_counted_as_served(
    process: SimulatedProcess, control: httpx2.AsyncClient
) -> None:
    await inject_fault(control, "slow", number=process.number, delay_seconds=0.5)
    path = f"/processos/{process.number}/documentos/{process.ids[0]}/binario"
    # It disconnects when the response has begun, which is long before its last piece.
    async with process.court.stream("GET", path) as answer:
        assert answer.status_code == 200
    await control.delete("/stats")
    deadline = time.monotonic() + 30
    # A reset keeps the requests in flight in `max_concurrent`.
    while (await control.get("/stats")).json()["max_concurrent"] and time.monotonic() < deadline:
        await control.delete("/stats")
    stats = (await control.get("/stats")).json()
    assert (stats["requests"], stats["documents_served"], stats["max_concurrent"]) == (0, {}, 0)


async def test_a_slow_piece_is_an_eighth_of_any_document(
    process: SimulatedProcess, control: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 9 * CHUNK
    await control.put(f"/processes/{process.number}", json={"documents": 10, "size_bytes": size})
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(seconds)

    # Counted, because on a slow machine they take longer. The simulator runs in this process.
    monkeypatch.setattr(wire, "asyncio", SimpleNamespace(sleep=pause))
    await inject_fault(control, "slow", number=process.number, delay_seconds=0.2)
    arrivals: list[tuple[float, int]] = []
    began = time.monotonic()
    await process.record_arrivals(0, arrivals)
    assert sum(length for _, length in arrivals) == size
    assert time.monotonic() - began >= 7 * 0.2 * 0.9
    assert pauses == [0.2] * 7


async def test_redirected_leads_to_the_sign_in_of_another_host(
    process: SimulatedProcess, control: httpx2.AsyncClient
) -> None:
    await inject_fault(control, "redirected", number=process.number)
    process.court.headers["Authorization"] = "Bearer none"
    for answer in (await process.read_details(), await process.download(0), await process.search()):
        assert (answer.status_code, answer.content) == (302, b"")
        assert answer.headers["location"].startswith("https://sso.cloud.pje.jus.br/auth/realms/pje/")


async def test_mismatched_sends_the_true_document_with_a_wrong_type(
    process: SimulatedProcess, control: httpx2.AsyncClient
) -> None:
    true = [await process.download(index) for index in range(10)]
    await inject_fault(control, "mismatched", number=process.number)
    false = [await process.download(index) for index in range(10)]
    assert [answer.content for answer in false] == [answer.content for answer in true]
    for honest, wrong in zip(true, false, strict=True):
        pdf = honest.content.startswith(b"%PDF")
        assert wrong.headers["content-type"] == ("text/html" if pdf else "application/pdf")
    missing = f"/processos/{process.number}/documentos/{process.number}/binario"
    assert (await process.court.get(missing)).headers["content-type"] == "application/json"
    assert set((await control.get("/stats")).json()["documents_served"].values()) == {2}


@pytest.mark.parametrize(("exists", "hits"), [(True, 1), (False, 0)])
async def test_with_broken_details_the_search_tells_absent_from_broken(
    process: SimulatedProcess, control: httpx2.AsyncClient, exists: bool, hits: int
) -> None:
    await control.put(f"/processes/{process.number}", json={"documents": 10, "size_bytes": SIZE, "exists": exists})
    await inject_fault(control, "broken_details", number=process.number)
    answer = await process.read_details()
    assert (answer.status_code, answer.json()["message"]) == (500, "Erro interno na API do Codex.")
    assert answer.json()["externalUrlService"].endswith(f"/processos/{process.number}")
    assert len((await process.search()).json()["content"]) == hits
    assert (await process.download(0)).status_code == (200 if exists else 404)


async def test_a_delay_comes_before_the_faulty_response(
    process: SimulatedProcess, control: httpx2.AsyncClient
) -> None:
    await inject_fault(control, "gateway_timeout", number=process.number, delay_seconds=0.1)
    began = time.monotonic()
    assert (await process.read_details()).status_code == 504
    assert time.monotonic() - began >= 0.1
