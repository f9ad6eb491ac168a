"""Requests, typed answers, and problems as exceptions."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

import autos_client
from autos_client import (
    ApiProblem,
    Autos,
    Conflict,
    Forbidden,
    Invalid,
    NoAnswer,
    NotFound,
    RateLimited,
    TookTooLong,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from tests.integration.client.scripted import (
    API,
    KEY,
    NUMBER,
    Script,
    break_connection,
    byte_stream,
    document_body,
    failure_body,
    json_answer,
    page_body,
    problem_answer,
    status_body,
    status_head,
)

STATUS = f"GET /processes/{NUMBER}/status"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, Invalid),
        (422, Invalid),
        (500, ApiProblem),
    ],
)
def test_problem_raises_the_matching_exception(script: Script, code: int, kind: type[ApiProblem]) -> None:
    script.on(STATUS, problem_answer(code, "some_code"))

    with script.client() as autos, pytest.raises(ApiProblem) as raised:
        autos.status(NUMBER)

    assert type(raised.value) is kind
    assert (raised.value.code, raised.value.status, raised.value.request_id) == ("some_code", code, "r-1")
    assert len(script.requests) == 1
    assert str(raised.value) == f"It is some_code. (HTTP {code}, some_code, request r-1)"


def test_request_id_of_a_gateway_is_in_the_error(script: Script, pauses: list[float]) -> None:
    script.on(STATUS, lambda _: httpx2.Response(503, text="busy", headers={"x-request-id": "gateway-1"}))

    with script.client() as autos, pytest.raises(Unavailable) as raised:
        autos.status(NUMBER)

    assert raised.value.request_id == "gateway-1"
    assert str(raised.value) == "The answer is HTTP 503. (HTTP 503, unavailable, request gateway-1)"


@pytest.mark.parametrize(("code", "kind"), [(429, RateLimited), (503, Unavailable)])
async def test_request_is_retried_after_retry_after(
    script: Script, pauses: list[float], code: int, kind: type[ApiProblem]
) -> None:
    script.on(STATUS, problem_answer(code, "later", Retry_After="7"), json_answer(status_body("completed", 3)))
    with script.client() as autos:
        assert autos.status(NUMBER).available_documents == 3

    script.on(STATUS, problem_answer(code, "later", Retry_After="7"))
    async with script.async_client() as autos_too:
        with pytest.raises(kind) as raised:
            await autos_too.status(NUMBER)

    assert raised.value.retry_after == 7
    assert pauses == [7] * 4
    assert len(script.requests) == 2 + 4


def test_retry_wait_is_at_most_a_minute(script: Script, pauses: list[float]) -> None:
    script.on(STATUS, problem_answer(429, "rate_limited", Retry_After="61"))

    with script.client() as autos, pytest.raises(RateLimited):
        autos.status(NUMBER)

    assert (pauses, len(script.requests)) == ([], 1)


def test_batch_is_never_sent_twice(script: Script, pauses: list[float]) -> None:
    script.on("POST /batches", break_connection)

    with script.client() as autos, pytest.raises(NoAnswer):
        autos.batch([NUMBER])

    assert (pauses, len(script.requests)) == ([], 1)


def test_lost_connection_is_retried_then_raised(script: Script, pauses: list[float]) -> None:
    script.on(STATUS, break_connection)

    with (
        script.client() as autos,
        pytest.raises(Unavailable, match="No API answers at ") as lost,
    ):
        autos.status(NUMBER)

    assert pauses == sorted(pauses)
    assert len(script.requests) == 4
    # Neither a cause nor a context: httpx2's errors contain the request, which contains the key.
    assert (lost.value.__cause__, lost.value.__context__) == (None, None)


@pytest.mark.parametrize(
    "strange",
    [
        lambda _: httpx2.Response(200, text="<html>Welcome to the proxy</html>"),
        json_answer({"documents": [{"download_url": "https://store.test/secret-link"}]}),
        lambda _: httpx2.Response(404, text="<html>Not here</html>"),
        lambda _: httpx2.Response(301, headers={"location": "https://elsewhere.test/"}),
    ],
)
def test_unexpected_answer_is_reported(script: Script, strange: Any) -> None:
    script.on(STATUS, strange)

    with script.client() as autos, pytest.raises(UnexpectedAnswer) as raised:
        autos.status(NUMBER)

    assert "secret-link" not in "".join(traceback.format_exception(raised.value))
    assert str(raised.value).endswith("Is the address right?")


def test_unknown_fields_of_a_newer_server_are_ignored(script: Script) -> None:
    newer = {**status_head("reviewing", 2), "failures_by_code": {"of_a_new_kind": 1}, "mood": "good"}
    script.on(STATUS, json_answer(newer))

    with script.client() as autos:
        found = autos.status(NUMBER)

    assert (found.status, found.failures_by_code) == ("reviewing", {"of_a_new_kind": 1})


async def test_pages_are_fetched_only_as_needed(script: Script) -> None:
    route = f"GET /processes/{NUMBER}/documents"
    pages = (
        json_answer(page_body([document_body(1), document_body(2)], "next")),
        json_answer(page_body([document_body(3)])),
    )
    script.on(route, *pages)
    with script.client() as autos:
        several = autos.documents(NUMBER, status="available")
        assert [next(several).id, next(several).id] == ["d1", "d2"]
        assert len(script.requests) == 1
        assert [each.id for each in several] == ["d3"]
    assert dict(script.requests[1].url.params) == {"status": "available", "cursor": "next", "limit": "200"}

    script.on(route, *pages)
    async with script.async_client() as autos_too:
        assert [each.id async for each in autos_too.documents(NUMBER)] == ["d1", "d2", "d3"]


async def test_both_clients_list_batches_page_by_page(script: Script) -> None:
    def page(batch_id: str, cursor: str | None) -> dict[str, Any]:
        batch = {"id": batch_id, "client": "desk", "created_at": "2026-01-31T12:00:00Z", "priority": 4}
        return {"batches": [{**batch, "counts": {"queued": 2}}], "next_cursor": cursor, "batches_next": cursor}

    pages = json_answer(page("b1", "next")), json_answer(page("b2", None))
    script.on("GET /batches", *pages)
    with script.client() as autos:
        assert [(batch.id, batch.counts) for batch in autos.batches()] == [
            ("b1", {"queued": 2}),
            ("b2", {"queued": 2}),
        ]
    assert dict(script.requests[1].url.params) == {"cursor": "next", "limit": "50"}

    script.on("GET /batches", *pages)
    async with script.async_client() as autos_too:
        assert [batch.id async for batch in autos_too.batches()] == ["b1", "b2"]


def test_wait_uses_long_polling_and_ends_with_the_run(script: Script, clock: list[float]) -> None:
    under_way = status_body("processing", 1, 5)
    held = json_answer(under_way, Preference_Applied="wait=30")
    script.on(STATUS, json_answer(under_way), held, json_answer(status_body("completed", 5)))

    with script.client() as autos:
        assert autos.wait(NUMBER).available_documents == 5

    assert [each.headers.get("prefer") for each in script.requests] == [None, "wait=30", "wait=30"]
    # The second answer came at once, although the server should have held it.
    assert [0.9 < each <= 1 for each in clock] == [True]


def test_wait_polls_without_long_polling_and_respects_the_timeout(
    script: Script, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("autos_client.flows.time.monotonic", lambda: now[0] + sum(pauses))
    script.on(STATUS, json_answer(status_body("processing", 1, 5), Retry_After="2"))

    with script.client() as autos, pytest.raises(TookTooLong, match=NUMBER):
        autos.wait(NUMBER, timeout=9)

    assert pauses == [2, 2, 2, 2, 1]


def test_request_contains_only_given_arguments(script: Script) -> None:
    route = f"POST /processes/{NUMBER}/downloads"
    script.on(route, json_answer({**status_head("processing", 0, 5), "decision": "started", "documents": []}, 202))

    with script.client() as autos:
        assert autos.request(NUMBER).decision == "started"
        autos.request(NUMBER, webhook_url="https://me.test/", max_age=0, document_ids=["a"], priority=1)

    bodies = [json.loads(each.content) for each in script.requests_to(route)]
    assert bodies == [
        {},
        {"webhook_url": "https://me.test/", "max_age": 0, "document_ids": ["a"], "priority": 1},
    ]


def test_methods_call_the_documented_routes(script: Script) -> None:
    delivery: dict[str, Any] = {
        "id": "e1",
        "event_type": "process.completed",
        "process_number": NUMBER,
        "run_id": "r",
        "client": "c",
        "url": "https://me.test/",
        "status": "failed",
        "created_at": "2026-11-23T12:00:00Z",
        "delivered_at": None,
        "given_up_at": "2026-11-23T12:00:00Z",
        "next_attempt_at": None,
        "attempts": [],
    }
    batch = {
        "id": "b1",
        "client": "c",
        "created_at": "2026-11-23T12:00:00Z",
        "ended_at": None,
        "priority": 4,
        "webhook_url": None,
        "counts": {"queued": 1, "invalid": 1},
        "items": [
            {
                "position": 1,
                "given": "x",
                "process_number": None,
                "state": "invalid",
                "decision": None,
                "run_id": None,
                "problem": {"code": "invalid_process_number", "detail": "…"},
            }
        ],
    }
    endpoint = {
        "id": "ep1",
        "client": "desk",
        "url": "https://me.test/",
        "failing_since": "2026-03-02T10:00:00Z",
        "switched_off_at": None,
    }
    entry = {
        "process_number": NUMBER,
        "court": "TJMT",
        "document": None,
        "failure": failure_body("not_found", "process"),
    }
    for action in ("retry", "pause", "resume", "cancel"):
        script.on(
            f"POST /processes/{NUMBER}/{action}", json_answer({**status_body("processing"), "retried_documents": 4})
        )
    script.on("GET /processes", json_answer({"processes": [status_head("partial")], "next_cursor": None}))
    script.on("GET /failures", json_answer({"failures": [entry], "next_cursor": None, "failures_next": None}))
    script.on("POST /batches", json_answer(batch, 202))
    script.on("GET /batches/b1", json_answer(batch))
    script.on("GET /webhooks/deliveries", json_answer({"deliveries": [delivery], "next_cursor": None}))
    script.on("GET /webhooks/deliveries/e1", json_answer(delivery))
    script.on("POST /webhooks/deliveries/e1/redeliver", json_answer(delivery, 202))
    script.on("POST /webhooks/deliveries/redeliver", json_answer({"redelivered": 3, "more": True}, 202))
    script.on("GET /webhooks/endpoints", json_answer({"endpoints": [endpoint]}))
    script.on("POST /webhooks/endpoints/ep1/enable", json_answer(endpoint))
    script.on("POST /webhooks/test", json_answer(delivery, 202))

    with script.client() as autos:
        assert autos.retry(NUMBER).retried_documents == 4
        assert [act(NUMBER).status for act in (autos.pause, autos.resume, autos.cancel)] == ["processing"] * 3
        assert [each.status for each in autos.processes(status="partial", court="TJMT")] == ["partial"]
        assert [each.failure.code for each in autos.failures(code="not_found")] == ["not_found"]
        assert autos.batch(["x"], priority=5) == autos.batch_status("b1")
        assert [each.id for each in autos.deliveries(status="failed", process_number=NUMBER)] == ["e1"]
        again = autos.redeliver_failed(datetime(2026, 3, 2, tzinfo=UTC))
        assert (again.redelivered, again.more) == (3, True)
        with pytest.raises(ValueError, match="zone"):
            autos.redeliver_failed(datetime(2026, 3, 2))  # noqa: DTZ001 - the mistake under test.
        assert [each.id for each in autos.endpoints()] == [autos.enable_endpoint("ep1").id] == ["ep1"]
        assert autos.redeliver("e1") == autos.test_webhook("https://me.test/") == autos.delivery("e1")

    assert {str(each.headers["authorization"]) for each in script.requests} == {f"Bearer {KEY}"}


def test_key_and_links_are_not_shown_or_logged(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    link = "https://store.test/d1?X-Amz-Signature=secret"
    script.on(f"GET /processes/{NUMBER}/documents/d1", json_answer(document_body(1, download_url=link)))
    script.on(
        f"GET /processes/{NUMBER}/documents/d1/content",
        lambda _: httpx2.Response(307, headers={"location": link}),
    )
    script.on("GET /d1", byte_stream(b"by", b"tes"))

    with script.client() as autos:
        one = autos.document(NUMBER, "d1")
        assert autos.content(NUMBER, "d1") == b"bytes"
        shown = f"{one!r} {one} {autos!r} {vars(autos)} {caplog.text}"

    assert one.download_url == link
    assert "authorization" not in script.requests_to("GET /d1")[0].headers
    for secret in ("X-Amz-Signature", KEY):
        assert secret not in shown


@pytest.mark.parametrize("address", ["", "autos.test", "ftp://autos.test", "https://user:password@autos.test"])
def test_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="base address") as refused:
        Autos(address)
    assert "password@" not in str(refused.value)


@pytest.mark.parametrize("key", ["", "secret\n", "secret key é"])
def test_invalid_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="API key") as refused:
        Autos(API, key)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("number", ["", " ", "..", "."])
def test_number_that_changes_the_path_is_refused(script: Script, number: str) -> None:
    with script.client() as autos, pytest.raises(ValueError, match="missing"):
        autos.status(number)
    assert script.requests == []


def test_package_has_no_service_imports() -> None:
    program = (
        "import sys, autos_client\n"
        "tops = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(tops & {'domain', 'settings', 'api', 'temporalio', 'fastapi', 'sqlalchemy', 'structlog'}))"
    )
    package = Path(autos_client.__file__).parents[1]
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=package, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert found == "[]"
