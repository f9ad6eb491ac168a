"""Every kind of fault on the wire."""

from __future__ import annotations

import re
import time

import httpx
import pytest

from simulator.files import CHUNK
from tests.simulator.struck import SIZE, Process, order


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


# The last of them is whole in several pieces, and its half would be in one.
@pytest.mark.parametrize("size", [SIZE, 300_000])
async def test_truncated_hides_behind_a_whole_answer_only_where_the_listing_tells_the_size(
    process: Process, control: httpx.AsyncClient, size: int
) -> None:
    await control.put(f"/processes/{process.number}", json={"documents": 10, "size_bytes": size})
    (listing,) = (await process.details()).json()
    documents = listing["tramitacaoAtual"]["documentos"][::-1]
    await order(control, "truncated", number=process.number)
    told = 0
    for index, document in enumerate(documents):
        if "arquivo" in document:
            told += 1
            answer = await process.binary(index)
            assert answer.headers["content-length"] == str(size // 2)
            assert len(answer.content) == size // 2
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
    stats = (await control.get("/stats")).json()
    assert (stats["requests"], stats["documents_served"], stats["max_concurrent"]) == (0, {}, 0)


async def test_a_drip_is_an_eighth_however_large_the_document(process: Process, control: httpx.AsyncClient) -> None:
    size = 9 * CHUNK
    await control.put(f"/processes/{process.number}", json={"documents": 10, "size_bytes": size})
    await order(control, "slow", number=process.number, delay_seconds=0.05)
    arrivals: list[tuple[float, int]] = []
    began = time.monotonic()
    await process.watch(0, arrivals)
    assert sum(length for _, length in arrivals) == size
    assert 7 * 0.05 * 0.9 <= time.monotonic() - began < 2 * 7 * 0.05


async def test_redirected_leads_to_the_sign_in_of_another_host(
    process: Process, control: httpx.AsyncClient
) -> None:
    await order(control, "redirected", number=process.number)
    process.court.headers["Authorization"] = "Bearer none"
    for answer in (await process.details(), await process.binary(0), await process.search()):
        assert (answer.status_code, answer.content) == (302, b"")
        assert answer.headers["location"].startswith("https://sso.cloud.pje.jus.br/auth/realms/pje/")


async def test_mismatched_calls_the_true_document_something_else(
    process: Process, control: httpx.AsyncClient
) -> None:
    true = [await process.binary(index) for index in range(10)]
    await order(control, "mismatched", number=process.number)
    false = [await process.binary(index) for index in range(10)]
    assert [answer.content for answer in false] == [answer.content for answer in true]
    for honest, wrong in zip(true, false, strict=True):
        pdf = honest.content.startswith(b"%PDF")
        assert wrong.headers["content-type"] == ("text/html" if pdf else "application/pdf")
    missing = f"/processos/{process.number}/documentos/{process.number}/binario"
    assert (await process.court.get(missing)).headers["content-type"] == "application/json"
    assert set((await control.get("/stats")).json()["documents_served"].values()) == {2}


@pytest.mark.parametrize(("exists", "hits"), [(True, 1), (False, 0)])
async def test_broken_details_leave_the_search_to_tell_absent_from_broken(
    process: Process, control: httpx.AsyncClient, exists: bool, hits: int
) -> None:
    await control.put(f"/processes/{process.number}", json={"documents": 10, "size_bytes": SIZE, "exists": exists})
    await order(control, "broken_details", number=process.number)
    answer = await process.details()
    assert (answer.status_code, answer.json()["message"]) == (500, "Erro interno na API do Codex.")
    assert answer.json()["externalUrlService"].endswith(f"/processos/{process.number}")
    assert len((await process.search()).json()["content"]) == hits
    assert (await process.binary(0)).status_code == (200 if exists else 404)


async def test_a_delay_comes_before_the_faulty_answer(process: Process, control: httpx.AsyncClient) -> None:
    await order(control, "gateway_timeout", number=process.number, delay_seconds=0.1)
    began = time.monotonic()
    assert (await process.details()).status_code == 504
    assert time.monotonic() - began >= 0.1
