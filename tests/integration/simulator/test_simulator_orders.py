"""What happens to a simulated process by order, as its next listings show it."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.integration.simulator.simulated_process import SimulatedProcess


async def order(control: httpx2.AsyncClient, number: str, kind: str, **options: Any) -> list[str]:
    """Send an order. Returns the ids of the documents afterwards."""
    answer = await control.post(f"/processes/{number}/orders", json={"kind": kind, **options})
    assert answer.status_code == 200, answer.text
    ids: list[str] = answer.json()["document_ids"]
    return ids


async def list_stage(process: SimulatedProcess) -> dict[str, Any]:
    """Return the current instance of the next listing."""
    [root] = (await process.read_details()).json()
    return {"root": root, **root["tramitacaoAtual"]}


def ids_of(stage: dict[str, Any]) -> list[str]:
    """Return the ids of the documents in filing order."""
    return [item["hrefBinario"].split("/")[-2] for item in reversed(stage["documentos"])]


async def test_a_filing_is_a_new_document_with_its_movement(
    control: httpx2.AsyncClient, process: SimulatedProcess
) -> None:
    before = await list_stage(process)
    process.ids = await order(control, process.number, "filing", documents=2, secrecy=3)
    after = await list_stage(process)
    assert ids_of(after) == process.ids
    assert after["documentos"][2:] == before["documentos"]
    assert {item["nivelSigilo"] for item in after["documentos"][:2]} == {"SIGILO_MEDIO"}
    assert {item["idDocumento"] for item in after["movimentos"] if "idDocumento" in item} == set(process.ids)
    assert (await process.download(11)).status_code == 200


async def test_days_move_what_is_filed_later(control: httpx2.AsyncClient, process: SimulatedProcess) -> None:
    await order(control, process.number, "filing")
    await order(control, process.number, "movement", text="Conclusos")
    earlier = await list_stage(process)
    await order(control, process.number, "days", days=400)
    assert await list_stage(process) == earlier
    await order(control, process.number, "filing")
    await order(control, process.number, "movement", text="Outros")
    later = await list_stage(process)
    assert later["documentos"][1:] == earlier["documentos"]
    assert all(movement in later["movimentos"] for movement in earlier["movimentos"])
    assert int(later["documentos"][0]["dataHoraJuntada"][:4]) > int(earlier["documentos"][0]["dataHoraJuntada"][:4])
    assert later["movimentos"][0]["descricao"] == "Outros"
    assert later["movimentos"][0]["dataHora"] > later["documentos"][0]["dataHoraJuntada"]


async def test_a_sealed_movement_has_no_document(control: httpx2.AsyncClient, process: SimulatedProcess) -> None:
    await order(control, process.number, "movement", secrecy=1)
    [movement] = [item for item in (await list_stage(process))["movimentos"] if "nivelSigilo" in item]
    assert (movement["descricao"], movement["nivelSigilo"]) == ("Juntada de Sob sigilo", 1)
    assert "idDocumento" not in movement


@pytest.mark.parametrize("origins", [True, False])
async def test_indexing_again_gives_new_ids_to_the_same_papers(
    control: httpx2.AsyncClient, process: SimulatedProcess, origins: bool
) -> None:
    before, bytes_before = await list_stage(process), (await process.download(3)).content
    old_ids = process.ids
    process.ids = await order(control, process.number, "reindex", origins=origins)
    after = await list_stage(process)
    assert ids_of(after) == process.ids
    assert set(process.ids).isdisjoint(old_ids)
    assert (await process.download(3)).content == bytes_before
    assert [item["nome"] for item in after["documentos"]] == [item["nome"] for item in before["documentos"]]
    stated = [item.get("idOrigem") for item in after["documentos"]]
    assert stated == [item["idOrigem"] if origins else None for item in before["documentos"]]
    # What is filed later has an id of its own, and keeps it until the next time.
    filed = (await order(control, process.number, "filing"))[-1]
    assert filed not in await order(control, process.number, "reindex")


async def test_some_listings_are_short_and_the_others_whole(
    control: httpx2.AsyncClient, process: SimulatedProcess
) -> None:
    whole = await list_stage(process)
    await order(control, process.number, "short_listings", listings=2, documents=4, movements=3)
    for _ in range(2):
        short = await list_stage(process)
        assert ids_of(short) == process.ids[:4]
        assert len(short["movimentos"]) == 3
        # What is not listed is still there.
        assert (await process.download(9)).status_code == 200
    assert await list_stage(process) == whole


async def test_secrecy_is_raised_where_the_order_says(
    control: httpx2.AsyncClient, process: SimulatedProcess
) -> None:
    await order(control, process.number, "secrecy", document=2, level=4)
    stage = await list_stage(process)
    assert [item["nivelSigilo"] for item in reversed(stage["documentos"])][2] == "SIGILO_INTENSO"
    assert stage["root"]["nivelSigilo"] == 0
    assert "nivelSigilo" not in stage
    await order(control, process.number, "secrecy", degree=1, level=2)
    stage = await list_stage(process)
    assert (stage["root"]["nivelSigilo"], stage["nivelSigilo"]) == (0, 2)
    await order(control, process.number, "secrecy", level=5)
    assert (await list_stage(process))["root"]["nivelSigilo"] == 5


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "earthquake"},
        {"kind": ["filing"]},
        {"kind": "filing", "text": "x"},
        {"kind": "filing", "documents": 0},
        {"kind": "movement", "text": ""},
        {"kind": "secrecy"},
        {"kind": "secrecy", "level": 1, "degree": 1, "document": 1},
        {"kind": "reindex", "origins": "no"},
        {"kind": "days", "days": -1},
        {"kind": "short_listings", "listings": 0},
    ],
)
async def test_invalid_orders_are_refused(control: httpx2.AsyncClient, number: str, body: dict[str, Any]) -> None:
    answer = await control.post(f"/processes/{number}/orders", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]
