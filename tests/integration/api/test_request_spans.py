"""Which requests have a span, what it says, and when it ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from adapters.telemetry import open_tracer
from api.middleware.request_ids import RequestIds
from api.middleware.request_spans import RequestSpans
from domain.spans import Tracer
from tests.support.conditions import eventually
from tests.support.otlp_collector import CollectedSpan, OtlpCollector, running_collector
from tests.support.paths import ROOT
from tests.support.threaded_server import serving_in_thread


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpCollector]:
    """A collector of traces, which soon has each span."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    with running_collector() as running:
        yield running


@pytest.fixture
async def tracer(collector: OtlpCollector) -> AsyncIterator[Tracer]:
    """Exports to the collector."""
    tracer = open_tracer(collector.url, None, service="test")
    yield tracer
    await tracer.close()


async def answer(_: Request) -> Response:
    return PlainTextResponse("")


async def defect(_: Request) -> Response:
    raise ValueError("a-secret-word")


def create_app(tracer: Tracer) -> Starlette:
    """Return an application with these answers behind the middleware."""
    app = Starlette(
        routes=[Route("/processes/{number}", answer), Route("/defect", defect), Route("/health", answer)]
    )
    app.add_middleware(RequestSpans, tracer=tracer)
    app.add_middleware(RequestIds)
    return app


async def only_span(collector: OtlpCollector) -> CollectedSpan:
    """Wait for a span, which must be the only one."""

    async def arrived() -> bool:
        return len(collector.spans) > 0

    await eventually(arrived, "a span")
    [span] = collector.spans
    return span


async def test_a_path_without_a_route_is_not_in_the_span(tracer: Tracer, collector: OtlpCollector) -> None:
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(create_app(tracer)), base_url="http://api"
    ) as client:
        await client.request("A-SECRET-WORD", "/a-secret-word?a-secret-word=1")
    span = await only_span(collector)
    assert (span.name, span.failed) == ("other", False)
    assert span.attributes == {"http.request.method": "other", "http.response.status_code": 404}


async def test_a_process_is_named_if_its_number_is_one(tracer: Tracer, collector: OtlpCollector) -> None:
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(create_app(tracer)), base_url="http://api"
    ) as client:
        await client.get("/processes/a-secret-word")
    assert "autos.process" not in (await only_span(collector)).attributes


async def test_a_bug_has_its_class_and_not_its_text(tracer: Tracer, collector: OtlpCollector) -> None:
    transport = httpx2.ASGITransport(create_app(tracer), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
        await client.get("/defect")
    span = await only_span(collector)
    assert (span.name, span.failed) == ("GET /defect", True)
    assert (span.attributes["error.type"], span.attributes["http.response.status_code"]) == ("ValueError", 500)
    assert b"a-secret-word" not in b"".join(collector.bodies)


async def test_probes_have_no_span(tracer: Tracer, collector: OtlpCollector) -> None:
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(create_app(tracer)), base_url="http://api"
    ) as client:
        await client.get("/health")
        await client.get("/processes/1")
    assert (await only_span(collector)).name == "GET /processes/{number}"


async def test_the_span_of_a_stream_ends_while_the_stream_goes_on(tracer: Tracer, collector: OtlpCollector) -> None:
    is_over = asyncio.Event()

    async def events(_: Request) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"
            while not is_over.is_set():
                yield b": still here\n\n"
                await asyncio.sleep(0.05)

        return StreamingResponse(lines(), media_type="text/event-stream")

    app = create_app(tracer)
    app.router.routes.append(Route("/events", events))
    with serving_in_thread(app) as url:
        async with httpx2.AsyncClient(timeout=60) as client, client.stream("GET", f"{url}/events"):
            assert (await only_span(collector)).name == "GET /events"
        is_over.set()


def test_the_framework_adds_no_spans_of_its_own(tmp_path: Path) -> None:
    """They have raw URLs. A provider for the whole program is what an agent of OpenTelemetry sets."""
    program = (
        "import asyncio, httpx2\n"
        "from opentelemetry import trace\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import SimpleSpanProcessor\n"
        "from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter\n"
        "from api.app import create_app\n"
        "from settings import load_settings\n"
        "provider, spans = TracerProvider(), InMemorySpanExporter()\n"
        "provider.add_span_processor(SimpleSpanProcessor(spans))\n"
        "trace.set_tracer_provider(provider)\n"
        "async def ask():\n"
        "    transport = httpx2.ASGITransport(create_app(load_settings()))\n"
        "    async with httpx2.AsyncClient(transport=transport, base_url='http://api') as client:\n"
        "        assert (await client.get('/a-secret-path')).status_code == 404\n"
        "asyncio.run(ask())\n"
        "print(spans.get_finished_spans())\n"
    )
    environment = {"AUTOS_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT), "AUTOS_LOG_LEVEL": "error", "PATH": ""}
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip().splitlines()[-1] == "()"
