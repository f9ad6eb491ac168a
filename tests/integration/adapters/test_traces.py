"""Spans as they reach a collector, and what happens if none of them does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from adapters.court_pdpj import PdpjClient
from adapters.telemetry import open_tracer
from adapters.telemetry.collector import Collector
from domain.errors import ConfigurationError, CourtFailure, DependencyUnavailable, FailureCode
from domain.process_number import ProcessNumber
from domain.spans import NO_SPAN, NO_TRACES, Span, SpanContext, SpanKind, Tracer
from settings import load_settings
from tests.support.conditions import eventually
from tests.support.court_rate_limiters import CountingRateLimiter
from tests.support.court_sources import fetched, source_at
from tests.support.court_tokens import FixedTokens
from tests.support.otlp_collector import OtlpCollector, running_collector
from tests.support.paths import ROOT
from tests.support.portal_json import NUMBER, href_of
from tests.support.scripted_server import always, answer, by_path, scripted
from tests.support.threaded_server import serving_in_thread

CALLER = SpanContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.fixture
def collector() -> Iterator[OtlpCollector]:
    """A collector of traces."""
    with running_collector() as running:
        yield running


@asynccontextmanager
async def exporting(collector: OtlpCollector) -> AsyncIterator[Tracer]:
    """Export to a collector. When the block has ended, it has every span."""
    tracer = open_tracer(collector.url, "x-key=a%2Cb", service="test")
    try:
        yield tracer
    finally:
        await tracer.close()


async def test_a_span_below_the_current_one_and_a_span_of_a_caller(collector: OtlpCollector) -> None:
    async with exporting(collector) as tracer:
        assert tracer.start_span("outside of a request", SpanKind.CLIENT) is NO_SPAN
        with tracer.enter_span("outer", SpanKind.SERVER, CALLER) as outer:
            with tracer.start_span("inner", SpanKind.CLIENT, {"autos.bytes": 3}) as inner:
                assert trace.get_current_span().get_span_context().span_id == int(context_of(outer).span_id, 16)
            with tracer.enter_span("of another request", SpanKind.SERVER, None) as other:
                pass
    spans = {span.name: span for span in collector.spans}
    assert spans.keys() == {"outer", "inner", "of another request"}
    assert (spans["outer"].trace_id, spans["outer"].parent_id) == (CALLER.trace_id, CALLER.span_id)
    assert (spans["inner"].trace_id, spans["inner"].parent_id) == (CALLER.trace_id, context_of(outer).span_id)
    assert spans["inner"].span_id == context_of(inner).span_id
    assert spans["inner"].attributes == {"autos.bytes": 3}
    assert spans["of another request"].parent_id == ""
    assert spans["of another request"].trace_id == context_of(other).trace_id != CALLER.trace_id
    assert collector.headers[0]["x-key"] == "a,b"


def context_of(span: Span) -> SpanContext:
    """Return the ids of a span that has some."""
    assert span.context is not None
    return span.context


async def test_a_failed_span_has_a_code_and_no_text(collector: OtlpCollector) -> None:
    async with exporting(collector) as tracer:
        with tracer.enter_span("request", SpanKind.SERVER, None) as request:
            for error in (CourtFailure(FailureCode.SEALED, "a-secret"), ValueError("a-secret"), GeneratorExit()):
                with pytest.raises(type(error)), tracer.start_span("step", SpanKind.CLIENT):
                    raise error
            request.fail("first")
            request.fail("second")
    assert [(span.failed, span.attributes) for span in collector.spans] == [
        (True, {"error.type": "sealed"}),
        (True, {"error.type": "ValueError"}),
        (False, {}),
        (True, {"error.type": "first"}),
    ]
    assert b"a-secret" not in b"".join(collector.bodies)


async def test_a_span_that_has_ended_takes_nothing_more_and_has_none_below_it(collector: OtlpCollector) -> None:
    async with exporting(collector) as tracer:
        with tracer.enter_span("stream", SpanKind.SERVER, None) as span:
            span.end()
            span.set("late", 1)
            span.rename("late")
            span.fail("late")
            span.end()
            assert tracer.start_span("late", SpanKind.CLIENT) is NO_SPAN
    assert [(each.name, each.attributes, each.failed) for each in collector.spans] == [("stream", {}, False)]


async def test_a_trace_that_its_caller_does_not_export_is_not_exported(collector: OtlpCollector) -> None:
    async with exporting(collector) as tracer:
        with tracer.enter_span(
            "outer", SpanKind.SERVER, SpanContext(CALLER.trace_id, CALLER.span_id, False)
        ) as outer:
            assert tracer.start_span("inner", SpanKind.CLIENT) is NO_SPAN
            assert context_of(outer).trace_id == CALLER.trace_id
            assert not context_of(outer).sampled
    assert collector.bodies == []


async def test_the_sdk_s_own_variables_say_how_and_not_where(
    collector: OtlpCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "another")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    async with exporting(collector) as tracer:
        with tracer.enter_span("ours", SpanKind.SERVER, None):
            pass
        with tracer.enter_span("the caller's", SpanKind.SERVER, CALLER):
            pass
    assert [(span.service, span.name) for span in collector.spans] == [("test", "the caller's")]


async def test_a_request_that_the_court_redirects_and_one_that_it_refuses(collector: OtlpCollector) -> None:
    async with exporting(collector) as tracer, scripted(always(answer(200, b"Vistos."))) as store:
        lead = answer(302, location=f"{store.origin}/bucket/1?X-Amz-Signature=a-secret")
        replies = {"/api/v2/processos?": answer(429), "/": lead}
        async with scripted(by_path(replies)) as portal:
            court = PdpjClient(
                portal.origin,
                tokens=FixedTokens("a-secret"),
                rate_limiter=CountingRateLimiter(),
                concurrency=1,
                user_agent="autos-tests",
                storage_hosts=frozenset({store.origin.removeprefix("http://")}),
                tracer=tracer,
            )
            with tracer.enter_span("activity", SpanKind.CONSUMER, None):
                await fetched(court, source_at(NUMBER, href_of("0f1e2d3c-4b5a-5678-9abc-def012345678")))
                with pytest.raises(CourtFailure) as refused:
                    await court.probe(ProcessNumber.parse(NUMBER))
            await court.close()
    assert not {"traceparent", "tracestate"} & {name for asked in portal.requests for name in asked.headers}
    found = [span.attributes for span in collector.spans if span.name == "court request"]
    status, kind = "http.response.status_code", "autos.court.kind"
    assert found == [
        {kind: "document", status: 302},
        {kind: "storage", status: 200},
        {kind: "process", status: 429, "error.type": refused.value.code.value},
    ]
    assert b"a-secret" not in b"".join(collector.bodies)


async def test_a_disabled_sdk_has_no_ids(collector: OtlpCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    async with exporting(collector) as tracer:
        with tracer.enter_span("request", SpanKind.SERVER, None) as span:
            assert span.context is None
    assert collector.bodies == []


async def test_closing_does_not_wait_for_a_collector_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    answer, asked = threading.Event(), threading.Event()

    async def hang(_: Request) -> Response:
        asked.set()
        await asyncio.to_thread(answer.wait)
        return Response()

    with serving_in_thread(Starlette(routes=[Route("/v1/traces", hang, methods=["POST"])])) as url:
        try:
            tracer = open_tracer(url, None, service="test")
            with tracer.enter_span("request", SpanKind.SERVER, None):
                pass
            assert await asyncio.to_thread(asked.wait, 60)
            await tracer.close()
            assert not answer.is_set()
        finally:
            answer.set()


async def test_an_outage_is_one_line(collector: OtlpCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    collector.status = 400
    with capture_logs() as lines:
        async with exporting(collector) as tracer:
            for count in range(1, 5):
                collector.status = 200 if count == 4 else 400
                with tracer.enter_span("request", SpanKind.SERVER, None):
                    pass

                async def is_answered(count: int = count) -> bool:
                    return len(collector.bodies) == count

                await eventually(is_answered, "another batch")
    assert [line["event"] for line in lines] == ["traces are lost", "traces are exported again"]


@pytest.mark.parametrize("text", ["a", "=b", "a b=c", "a=b\nc", "a=%0d%0a", "a=ção"])
def test_headers_that_cannot_be_sent_are_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError, match="AUTOS_OTLP_HEADERS") as caught:
        Collector.parse("http://127.0.0.1:4318", f"x-key=a-secret,{text}")
    assert "a-secret" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"])
def test_the_path_of_traces_is_added(endpoint: str) -> None:
    collector = Collector.parse(endpoint, " authorization=Bearer%20a=b== , x=y,")
    assert collector.url == "http://c:4318/v1/traces"
    assert collector.headers == {"authorization": "Bearer a=b==", "x": "y"}
    assert "Bearer" not in repr(collector)


@pytest.mark.parametrize("endpoint", ["http://user:a-secret@c:4318", "http://c:4318?key=a-secret", "ftp://c"])
def test_an_endpoint_has_no_credentials(endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="AUTOS_OTLP_ENDPOINT") as caught:
        load_settings(data_dir=tmp_path, otlp_endpoint=endpoint)
    assert "a-secret" not in str(caught.value)


async def test_a_collector_that_is_away_or_none_is_found() -> None:
    with pytest.raises(DependencyUnavailable, match="does not answer"):
        await Collector.parse("http://127.0.0.1:1", None).check()


def test_without_a_collector_nothing_of_it_is_loaded(tmp_path: Path) -> None:
    assert open_tracer(None, None, service="test") is NO_TRACES
    program = (
        "import sys, cli.main, worker\n"
        "from api.app import create_app\n"
        "from settings import load_settings\n"
        "app = create_app(load_settings())\n"
        "assert 'RequestSpans' not in [each.cls.__name__ for each in app.user_middleware]\n"
        "names = ('opentelemetry.sdk', 'opentelemetry.exporter', 'adapters.telemetry.', 'requests')\n"
        "print([name for name in sys.modules if name.startswith(names)])\n"
    )
    environment = {"AUTOS_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": ""}
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
