"""The commands say that no worker is at work, and promise nothing that needs one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

import autos_client_cli
from domain.batches import ItemState
from domain.completeness import Decision
from tests.integration.client.conftest import RunClient
from tests.integration.client.scripted import NUMBER, Handler, Script, json_answer, page_body, status_body
from tests.support.numbers import fresh_number
from tests.support.scripted_server import always, answer, scripted

START = f"POST /processes/{NUMBER}/downloads"
STATUS = f"GET /processes/{NUMBER}/status"
NO_WORKER = [
    {"code": "no_worker", "detail": f"No worker is at work for the queue {queue}."}
    for queue in ("processes", "court")
]
KEEPS = "The service keeps 1 request, and works on it as soon as a worker is back."
GOES_ON = "The service goes on downloading 1 process; nothing is lost."


def interrupt_after(answer: Handler) -> Handler:
    """Answer, but press Ctrl-C before."""

    def interrupt(request: httpx2.Request) -> httpx2.Response:
        os.kill(os.getpid(), signal.SIGINT)
        return answer(request)

    return interrupt


def open_status(warnings: list[dict[str, str]], **more: Any) -> Handler:
    """Answer with the status of an open run."""
    return json_answer({**status_body("processing", 0, 2), "documents": [], "warnings": warnings, **more})


def batch_body(warnings: list[dict[str, str]], *, ended: bool = False, batch_id: str = "b1") -> dict[str, Any]:
    """Return a batch with one line in each state, and one for each decision."""
    lines = [*((state, None) for state in ItemState), *(("processing", decision) for decision in Decision)]
    return {
        "id": batch_id,
        "client": "me",
        "created_at": "2026-11-23T12:00:00Z",
        "ended_at": "2026-11-23T12:00:00Z" if ended else None,
        "priority": 3,
        "counts": {"processing": 1},
        "items": [
            {"position": 1, "given": "x", "process_number": NUMBER, "state": state, "decision": decision}
            for state, decision in lines
        ],
        "warnings": warnings,
    }


@pytest.mark.parametrize(
    ("at_start", "later", "said"),
    [(NO_WORKER, NO_WORKER, KEEPS), (NO_WORKER, [], GOES_ON), ([], NO_WORKER[1:], KEEPS), ([], [], GOES_ON)],
)
def test_interrupted_get_promises_only_what_the_service_can_do_now(
    script: Script,
    tmp_path: Path,
    run_client: RunClient,
    pauses: list[float],
    at_start: list[dict[str, str]],
    later: list[dict[str, str]],
    said: str,
) -> None:
    script.on(START, open_status(at_start, decision="started"))
    answer_now = open_status(later)
    script.on(STATUS, answer_now, interrupt_after(answer_now), answer_now)
    script.on(f"GET /processes/{NUMBER}/documents", json_answer(page_body([])))

    code, out, err = run_client("get", NUMBER, "-o", tmp_path)

    assert (code, out) == (130, "")
    assert [line for line in err.splitlines() if line in (KEEPS, GOES_ON)] == [said]
    told = {warning["detail"] for warning in (*at_start, *later)}
    assert [err.count(f"{NUMBER}: {detail} (no_worker)") for detail in told] == [1] * len(told)


def test_get_says_at_once_that_a_batch_waits_for_a_worker(
    script: Script, tmp_path: Path, run_client: RunClient, pauses: list[float]
) -> None:
    numbers = [fresh_number() for _ in range(21)]
    script.on("POST /batches", json_answer(batch_body(NO_WORKER)))
    waiting = json_answer(batch_body(NO_WORKER))
    script.on("GET /batches/b1", interrupt_after(waiting), waiting)
    for number in numbers:
        script.on(f"POST /processes/{number}/downloads", open_status(NO_WORKER, decision="active"))
        script.on(f"GET /processes/{number}/status", open_status(NO_WORKER))
    (tmp_path / "numbers.txt").write_text("\n".join(numbers))

    code, _, err = run_client("get", "-i", tmp_path / "numbers.txt", "-o", tmp_path)

    assert code == 130
    assert "Batch b1: No worker is at work for the queue court. (no_worker)" in err.splitlines()
    assert "The service keeps 21 requests, and works on them as soon as a worker is back." in err


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_batch_prints_each_warning_once(
    script: Script, tmp_path: Path, run_client: RunClient, arguments: list[str]
) -> None:
    (tmp_path / "numbers.txt").write_text(f"{NUMBER}\n" * 1001)
    script.on("POST /batches", json_answer(batch_body(NO_WORKER)), json_answer(batch_body(NO_WORKER)))

    code, out, err = run_client("batch", tmp_path / "numbers.txt", *arguments)

    assert code == 6
    assert [line for line in err.splitlines() if "worker" in line] == [
        f"Batch b1: {warning['detail']} (no_worker)" for warning in NO_WORKER
    ]
    assert "worker" not in out


@pytest.mark.parametrize(
    ("warnings", "said"),
    [(NO_WORKER, "The service keeps what it has"), ([], "The service goes on with what it has")],
)
def test_interrupted_batch_promises_only_what_the_service_can_do_now(
    script: Script,
    tmp_path: Path,
    run_client: RunClient,
    monkeypatch: pytest.MonkeyPatch,
    warnings: list[dict[str, str]],
    said: str,
) -> None:
    monkeypatch.setattr("autos_client_cli.batch._FIRST_LOOK_SECONDS", 0.0)
    (tmp_path / "numbers.txt").write_text(NUMBER)
    script.on("POST /batches", json_answer(batch_body([])))
    script.on("GET /batches/b1", json_answer(batch_body(warnings)), interrupt_after(json_answer(batch_body([]))))

    code, _, err = run_client("batch", tmp_path / "numbers.txt", "--wait")

    assert code == 130
    assert next(line for line in err.splitlines() if line.startswith("The service ")).startswith(said)


async def test_batch_is_shown_in_the_users_words(tmp_path: Path) -> None:
    body = json.dumps(batch_body([], ended=True)).encode()
    (tmp_path / "numbers.txt").write_text(NUMBER)

    def run(url: str, language: str) -> list[list[str]]:
        shown = subprocess.run(
            [sys.executable, "-m", "autos_client_cli", "batch", str(tmp_path / "numbers.txt")],
            env={
                "PYTHONPATH": str(Path(autos_client_cli.__file__).parents[1]),
                "AUTOS_PUBLIC_URL": url,
                "AUTOS_LANG": language,
                "PYTHONUTF8": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert shown.returncode == 6, shown.stderr
        return [[cell.strip() for cell in line.split("  ") if cell] for line in shown.stdout.splitlines()]

    async with scripted(always(answer(202, body, content_type="application/json"))) as api:
        portuguese = await asyncio.to_thread(run, api.origin, "pt")
        english = await asyncio.to_thread(run, api.origin, "en")

    assert portuguese[0] == ["PROCESSO", "ESTADO", "DECISÃO", "PROBLEMA"]
    assert [row[1] for row in portuguese[1 : 1 + len(ItemState)]] == [
        *("na fila", "em andamento", "completo", "parcial", "falhou", "cancelado", "inválido", "apagado")
    ]
    assert [row[2] for row in portuguese[-len(Decision) :]] == [
        *("já estava completo", "nada mais a fazer", "já estava em andamento", "iniciado")
    ]
    assert [row[1] for row in english[1:3]] == ["queued", "under way"]
