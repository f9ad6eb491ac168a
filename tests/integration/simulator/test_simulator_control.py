"""Control requests are validated strictly, and the counts are correct."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx2
import pytest

from simulator.requests import Target
from simulator.stats import Stats

KNOWN = "1011745-77.2025.8.11.0041"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/processes/1011745-78.2025.8.11.0041", {"documents": 1}),
        ("PUT", "/processes/abc", {}),
        ("PUT", f"/processes/{KNOWN}", {"documents": -1}),
        ("PUT", f"/processes/{KNOWN}", {"documents": "3"}),
        ("PUT", f"/processes/{KNOWN}", {"documents": 1.5}),
        ("PUT", f"/processes/{KNOWN}", {"documents": True}),
        ("PUT", f"/processes/{KNOWN}", {"documents": 100_001}),
        ("PUT", f"/processes/{KNOWN}", {"size_bytes": 0}),
        ("PUT", f"/processes/{KNOWN}", {"exists": "no"}),
        ("PUT", f"/processes/{KNOWN}", {"size": 10}),
        ("PUT", f"/processes/{KNOWN}", {"twins": True}),
        ("PUT", f"/processes/{KNOWN}", {"documents": 3, "text_only_documents": 4}),
        ("PUT", f"/processes/{KNOWN}", {"documents": 3, "secret_documents": -1}),
        ("PUT", f"/processes/{KNOWN}", {"secrecy": 6}),
        ("PUT", f"/processes/{KNOWN}", {"content_type": ""}),
        ("PUT", f"/processes/{KNOWN}", {"content_type": "text/html\r\nX-Forged: 1"}),
        ("PUT", f"/processes/{KNOWN}", {"content_disposition": "ção"}),
        ("PUT", f"/processes/{KNOWN}", [1]),
        ("POST", "/faults", {}),
        ("POST", "/faults", {"kind": "earthquake"}),
        ("POST", "/faults", {"kind": ["reset"]}),
        ("POST", "/faults", {"kind": "reset", "number": "1011745-78.2025.8.11.0041"}),
        ("POST", "/faults", {"kind": "reset", "number": 10117457720258110041}),
        ("POST", "/faults", {"kind": "reset", "documents": 1.01}),
        ("POST", "/faults", {"kind": "reset", "documents": -0.1}),
        ("POST", "/faults", {"kind": "reset", "documents": True}),
        ("POST", "/faults", {"kind": "reset", "documents": [-1]}),
        ("POST", "/faults", {"kind": "reset", "documents": [0.5]}),
        ("POST", "/faults", {"kind": "reset", "documents": "all"}),
        ("POST", "/faults", {"kind": "reset", "times": 0}),
        ("POST", "/faults", {"kind": "reset", "retry_after": 3}),
        ("POST", "/faults", {"kind": "throttled", "retry_after": 0.5}),
        ("POST", "/faults", {"kind": "redirected", "retry_after": 1}),
        ("POST", "/faults", {"kind": "broken_details", "documents": [0]}),
        ("POST", "/faults", {"kind": "slow", "delay_seconds": -1}),
        ("POST", "/faults", {"kind": "slow", "delay": 1}),
        ("PUT", "/latency", {}),
        ("PUT", "/latency", {"seconds": -1}),
        ("PUT", "/latency", {"seconds": "fast"}),
        ("POST", "/token", {"expires_in": -1}),
        ("POST", "/token", {"expires_in": "day"}),
    ],
)
async def test_an_invalid_request_is_refused_with_a_reason(
    control: httpx2.AsyncClient, method: str, path: str, body: Any
) -> None:
    answer = await control.request(method, path, json=body)
    assert answer.status_code == 422
    assert len(answer.json()["error"]) > 10


@pytest.mark.parametrize("text", ["{", "NaN", "\xff"])
async def test_a_body_that_is_not_a_json_object_is_refused(control: httpx2.AsyncClient, text: str) -> None:
    answer = await control.put("/latency", content=text.encode("latin-1"))
    assert answer.status_code == 422


async def test_the_reason_for_refusing_a_number_has_the_correct_one(control: httpx2.AsyncClient) -> None:
    answer = await control.put("/processes/1011745-78.2025.8.11.0041", json={})
    assert KNOWN in answer.json()["error"]


async def test_unknown_control_paths_and_methods_are_refused(control: httpx2.AsyncClient) -> None:
    assert (await control.get("/nothing")).status_code == 404
    answer = await control.get("/latency")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "PUT"


async def test_null_means_the_same_as_omitting_the_key(control: httpx2.AsyncClient, number: str) -> None:
    full = await control.put(f"/processes/{number}", json={"documents": 3, "size_bytes": None, "exists": None})
    assert full.json() == (await control.put(f"/processes/{number}", json={"documents": 3})).json()
    answer = await control.post(
        "/faults",
        json={
            "kind": "empty",
            "number": number,
            "documents": None,
            "times": None,
            "retry_after": None,
            "delay_seconds": None,
        },
    )
    assert answer.status_code == 200


async def test_the_counts_are_correct(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, origin: str, number: str
) -> None:
    ids = (await control.put(f"/processes/{number}", json={"documents": 3})).json()["document_ids"]
    await court.get(f"/processos/{number}")
    await court.get(f"/processos/{number}")
    for document_id in (ids[0], ids[0], ids[2]):
        await court.get(f"/processos/{number}/documentos/{document_id}/binario")
    await court.get(f"/processos/{number}/documentos/{ids[1]}/texto")
    await court.get(f"/processos/{number}/partes")
    await court.get(f"{origin}/consulta")
    stats = (await control.get("/stats")).json()
    assert stats["requests"] == 7
    assert stats["listings"] == 2
    assert stats["documents_served"] == {ids[0]: 2, ids[2]: 1}
    assert stats["max_concurrent"] == 1
    assert 1 <= stats["max_per_second"] <= stats["max_per_ten_seconds"] == 7
    assert stats["tokens_refused"] == stats["refreshes"] == 0
    times = [seconds for seconds, _ in stats["arrivals"]]
    assert times[0] >= 0
    assert times == sorted(times)
    assert [target for _, target in stats["arrivals"]] == [*["details"] * 2, *["document"] * 4, "elsewhere"]
    assert (await control.delete("/stats")).status_code == 204
    assert (await control.get("/stats")).json()["requests"] == 0


async def test_latency_delays_every_court_request_and_shows_requests_in_flight(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient
) -> None:
    # Their connections are open before they are delayed: on a slow machine, that alone can take this time.
    await asyncio.gather(*(court.get(f"/processos/{KNOWN}") for _ in range(8)))
    await control.delete("/stats")
    assert (await control.put("/latency", json={"seconds": 1})).json() == {"seconds": 1}
    began = time.monotonic()
    answers = await asyncio.gather(*(court.get(f"/processos/{KNOWN}") for _ in range(8)))
    assert time.monotonic() - began >= 1
    assert all(answer.status_code == 200 for answer in answers)
    stats = (await control.get("/stats")).json()
    assert stats["max_concurrent"] == 8
    # All of them came before the first answer, which was a second after the first request.
    assert stats["max_per_second"] == 8


async def test_arrivals_show_how_long_a_client_waited(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, number: str
) -> None:
    await control.put("/latency", json={"seconds": 0.2})
    began = time.monotonic()
    await court.get("/processos", params={"numeroProcesso": number})
    await court.get(f"/processos/{number}")
    took = time.monotonic() - began
    (first, first_target), (second, second_target) = (await control.get("/stats")).json()["arrivals"]
    assert (first_target, second_target) == ("search", "details")
    assert 0.2 <= second - first < took


async def test_refused_tokens_and_refreshes_are_counted(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, origin: str, number: str
) -> None:
    await court.get(f"/processos/{number}", headers={"Authorization": "Bearer x"})
    await control.post("/faults", json={"kind": "token_rejected", "number": number, "times": 1})
    assert [(await court.get(f"/processos/{number}")).status_code for _ in range(2)] == [401, 200]
    await control.post("/faults", json={"kind": "no_access", "number": number})
    assert (await court.get(f"/processos/{number}")).status_code == 401
    await court.post(f"{origin}/auth/realms/pje/protocol/openid-connect/token", data={"client_id": "c"})
    stats = (await control.get("/stats")).json()
    assert (stats["tokens_refused"], stats["refreshes"], stats["requests"]) == (2, 1, 4)


def test_the_busiest_windows_slide_and_the_arrivals_are_the_last_ten_thousand() -> None:
    moments = [100.0, 100.5, 109.0, 109.5, 109.9, 110.0, 119.4]
    stats = Stats(clock=lambda: moments.pop(0) if len(moments) > 1 else moments[0])
    for _ in range(6):
        stats.request_started(Target.SEARCH)
    counts = stats.snapshot()
    assert (counts["max_per_second"], counts["max_per_ten_seconds"]) == (3, 5)
    for _ in range(10_001):
        stats.request_started(Target.DETAILS)
    counts = stats.snapshot()
    assert counts["arrivals"] == [(19.4, "details")] * 10_000
    assert counts["max_per_ten_seconds"] == 10_001 + 4


@pytest.mark.parametrize(
    "browser_headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
    ids=str,
)
async def test_a_web_page_cannot_control_the_simulator(
    control: httpx2.AsyncClient, browser_headers: dict[str, str]
) -> None:
    # A form sends this type without a CORS preflight.
    headers = {**browser_headers, "Content-Type": "text/plain"}
    for method, path in (
        ("POST", "/token"),
        ("POST", "/faults"),
        ("DELETE", "/faults"),
        ("PUT", "/latency"),
        ("PUT", f"/processes/{KNOWN}"),
        ("GET", "/stats"),
        ("DELETE", "/stats"),
    ):
        answer = await control.request(method, path, headers=headers, content=b'{"kind": "firewall"}')
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers

    assert (await control.get("/stats")).status_code == 200
    typed = {"Sec-Fetch-Site": "none"}
    assert (await control.get("/stats", headers=typed)).status_code == 200
