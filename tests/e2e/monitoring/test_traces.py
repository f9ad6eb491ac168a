"""A stack that exports traces: one request's trace reaches the court and the store, and holds no secret."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.worker import Replayer

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.otlp_collector import CollectedSpan, OtlpCollector, running_collector
from tests.support.receiver import running_receiver
from tests.support.secret_leaks import find_leaks, find_leaks_in_file, read_own_secrets
from tests.support.stack import RunningStack, running_stack
from workflows.download_process import DownloadProcess
from workflows.request_headers import RequestHeadersInterceptor

CALLER = "b7ad6b7169203331"
ROUTE = "POST /processes/{number}/downloads"
HEADER_SECRET = "a-key-of-the-collector"


@dataclass(frozen=True)
class Traced:
    """A stack with a collector."""

    stack: RunningStack
    collector: OtlpCollector

    async def request(self, number: str, *, flags: str = "01", **order: str | int) -> str:
        """Request a download as part of a caller's trace. Returns the id of the trace."""
        trace_id = secrets.token_hex(16)
        answer = await self.stack.api.post(
            f"/processes/{number}/downloads",
            json=order,
            headers={"traceparent": f"00-{trace_id}-{CALLER}-{flags}"},
        )
        assert answer.status_code == 202, answer.text
        return trace_id

    def read_log(self) -> list[dict[str, Any]]:
        """Return the lines that the API and the worker have logged."""
        return [json.loads(line) for line in self.stack.stderr.read_text().splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def collector() -> Iterator[OtlpCollector]:
    """A collector of traces."""
    with running_collector() as running:
        yield running


@pytest.fixture(scope="module")
async def traced(tmp_path_factory: pytest.TempPathFactory, collector: OtlpCollector) -> AsyncIterator[Traced]:
    """A stack that exports to it. Spans of the last seconds are exported when it stops."""
    variables = {
        "AUTOS_OTLP_ENDPOINT": collector.url,
        "AUTOS_OTLP_HEADERS": f"x-key={HEADER_SECRET}",
        "AUTOS_LOG_FORMAT": "json",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    async with running_stack(tmp_path_factory.mktemp("traced"), **variables) as stack:
        yield Traced(stack, collector)


def named(spans: list[CollectedSpan], name: str) -> list[CollectedSpan]:
    """Return the spans with a name."""
    return [span for span in spans if span.name == name]


async def test_one_trace_from_the_request_to_court_and_store(traced: Traced) -> None:
    stack = traced.stack
    number = fresh_number()
    await stack.create_process(number, 3)
    trace_id = await traced.request(number)
    await stack.wait_until_ended(number)
    spans = await traced.collector.wait_for(trace_id, "close_run", ROUTE)

    [request] = named(spans, ROUTE)
    assert (request.service, request.kind, request.parent_id) == ("autos-api", "server", CALLER)
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/processes/{number}/downloads",
        "http.response.status_code": 202,
        "autos.process": number,
    }
    [start] = named(spans, "start DownloadProcess")
    assert (start.service, start.kind, start.parent_id) == ("autos-api", "producer", request.span_id)
    activities = [span for span in spans if span.kind == "consumer"]
    assert {span.parent_id for span in activities} == {start.span_id}
    assert {span.service for span in activities} == {"autos-worker"}
    assert {span.attributes["autos.process"] for span in activities} == {number}
    assert {span.name for span in activities} >= {"open_run", "list_documents", "download_document", "close_run"}

    [listing] = named(spans, "list_documents")
    downloads = named(spans, "download_document")
    assert len(downloads) == 3
    court = named(spans, "court request")
    assert [span.attributes["autos.court.kind"] for span in court if span.parent_id == listing.span_id] == [
        "process"
    ]
    sizes = []
    for download in downloads:
        below = [span for span in spans if span.parent_id == download.span_id]
        assert {(span.kind, span.attributes["http.response.status_code"]) for span in below} == {("client", 200)}
        [content] = named(below, "court request")
        assert content.attributes["autos.court.kind"] == "document"
        # Before the first document, the worker writes a small object to see whether it can.
        sizes.append(max(int(str(span.attributes["autos.bytes"])) for span in named(below, "store PutObject")))
    assert sorted(sizes) == sorted(document["size_bytes"] for document in await stack.list_documents(number))
    assert not any(span.failed for span in spans)
    # The log lines of all services name the same trace. That of the request may come after its span.

    async def logged() -> bool:
        events = {line["event"] for line in traced.read_log() if line.get("trace_id") == trace_id}
        return events >= {"request", "listed"}

    await eventually(logged, "the log lines of the trace")


async def test_a_request_without_a_caller_s_trace_begins_one_and_its_log_line_names_it(traced: Traced) -> None:
    answer = await traced.stack.api.get(f"/processes/{fresh_number()}/status", headers={"X-Request-Id": "alone-1"})
    assert answer.status_code == 404

    async def logged() -> str | None:
        lines = [line for line in traced.read_log() if line.get("request_id") == "alone-1"]
        return str(lines[0]["trace_id"]) if lines else None

    trace_id = await eventually(logged, "the line of the request")
    [span] = await traced.collector.wait_for(trace_id, "GET /processes/{number}/status")
    assert (span.parent_id, span.failed, span.attributes["http.response.status_code"]) == ("", False, 404)


async def test_a_caller_that_exports_no_trace_has_none_of_us_but_its_id_in_the_log(traced: Traced) -> None:
    number = fresh_number()
    await traced.stack.create_process(number, 1)
    trace_id = await traced.request(number, flags="00")
    await traced.stack.wait_until_ended(number)
    later = await traced.request(number, max_age=0)
    await traced.stack.wait_until_ended(number)
    await traced.collector.wait_for(later, "close_run")
    assert traced.collector.trace(trace_id) == []
    assert [line for line in traced.read_log() if line.get("trace_id") == trace_id]


async def test_attempts_have_a_span_each_with_the_code_of_the_failure(traced: Traced) -> None:
    stack = traced.stack
    number = fresh_number()
    await stack.create_process(number, 1)
    await stack.inject_fault("truncated", number, times=1)
    trace_id = await traced.request(number)
    await stack.wait_until_ended(number)
    spans = await traced.collector.wait_for(trace_id, "close_run")
    attempts = sorted(
        (span.attributes["autos.attempt"], span.failed, span.attributes.get("error.type"))
        for span in named(spans, "download_document")
    )
    assert attempts == [(1, True, "truncated"), (2, False, None)]


async def test_a_batch_s_runs_are_in_its_trace_and_replay_without_one(traced: Traced) -> None:
    stack = traced.stack
    number = fresh_number()
    await stack.create_process(number, 1)
    trace_id = secrets.token_hex(16)
    answer = await stack.api.post(
        "/batches", json={"process_numbers": [number]}, headers={"traceparent": f"00-{trace_id}-{CALLER}-01"}
    )
    assert answer.status_code == 202, answer.text
    await stack.wait_until_ended(number)
    spans = await traced.collector.wait_for(trace_id, "close_run", "consider_item")
    [start] = named(spans, "start DownloadBatch")
    assert {span.parent_id for span in spans if span.kind == "consumer"} == {start.span_id}
    history = await stack.temporal.get_workflow_handle(number).fetch_history()
    replayer = Replayer(workflows=[DownloadProcess], interceptors=[RequestHeadersInterceptor()])
    await replayer.replay_workflow(history)


async def test_no_span_holds_a_secret_or_a_document_s_name(traced: Traced, tmp_path: Path) -> None:
    stack = traced.stack
    number = fresh_number()
    await stack.create_process(number, 2)
    with running_receiver(stack.addresses["webhook_secret"]) as receiver:
        hook = f"{receiver.url}/a-secret-path?key=a-secret-word"
        trace_id = await traced.request(number, webhook_url=hook)
        await receiver.wait_for_events("/a-secret-path")
    spans = await traced.collector.wait_for(trace_id, "webhook attempt", "send_webhook", "store sign")
    [attempt] = named(spans, "webhook attempt")
    [sending] = named(spans, "send_webhook")
    assert attempt.parent_id == sending.span_id
    assert attempt.attributes["http.response.status_code"] == 204
    trace_id = secrets.token_hex(16)
    documents = await stack.api.get(
        f"/processes/{number}/documents",
        params={"cursor": "a-secret-word"},
        headers={"traceparent": f"00-{trace_id}-{CALLER}-01", "Authorization": "Bearer a-secret-word"},
    )
    assert documents.status_code in (400, 401, 422)
    await traced.collector.wait_for(trace_id, "GET /processes/{number}/documents")

    bodies = b"".join(traced.collector.bodies)
    (tmp_path / "spans").write_bytes(bodies)
    assert find_leaks_in_file(tmp_path / "spans", read_own_secrets(stack)) == []
    names = [document["name"].encode() for document in await stack.list_documents(number)]
    assert names
    for text in (b"a-secret-", b"127.0.0.1", b"localhost", b"http://", HEADER_SECRET.encode(), *names):
        assert text not in bodies
    assert {headers["x-key"] for headers in traced.collector.headers} == {HEADER_SECRET}
    assert find_leaks(stack) == []
    logs = b"".join(path.read_bytes() for path in (stack.data_dir / "logs").iterdir())
    assert HEADER_SECRET.encode() not in logs


async def test_an_outage_of_the_collector_is_logged_once_and_disturbs_nothing(traced: Traced) -> None:
    stack, collector = traced.stack, traced.collector
    before = len(collector.bodies)
    collector.status = 400
    try:
        for _ in range(3):
            number = fresh_number()
            await stack.create_process(number, 2)
            await traced.request(number)
            status = await stack.wait_until_ended(number)
            assert status["available_documents"] == 2
            sent = len(collector.bodies)

            async def refused_more(sent: int = sent) -> bool:
                return len(collector.bodies) > max(sent, before)

            await eventually(refused_more, "another batch is refused")
    finally:
        collector.status = 200
    number = fresh_number()
    await stack.create_process(number, 1)
    trace_id = await traced.request(number)
    await collector.wait_for(trace_id, "close_run", ROUTE)

    def read_events() -> list[str]:
        return sorted(line["event"] for line in traced.read_log() if line["event"].startswith("traces are"))

    async def exported_again() -> bool:
        return read_events().count("traces are exported again") >= 2

    # A service logs that after the collector has answered.
    await eventually(exported_again, "both services export again")
    # One of the API and one of the worker.
    assert read_events() == ["traces are exported again"] * 2 + ["traces are lost"] * 2


async def test_with_the_collector_away_everything_works_and_spans_are_exported_at_the_end(tmp_path: Path) -> None:
    async with running_stack(tmp_path, AUTOS_OTLP_ENDPOINT="http://127.0.0.1:1", AUTOS_LOG_FORMAT="json") as stack:
        number = await stack.create_ended_run(3)
        assert (await stack.get_status(number))["available_documents"] == 3
    with running_collector() as collector:
        async with running_stack(
            tmp_path, AUTOS_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="3600000"
        ) as stack:
            await stack.create_ended_run(1)
            assert collector.spans == []
        assert {span.service for span in collector.spans} == {"autos-api", "autos-worker"}
