"""The access log: one line for each request, answered or refused, with nothing in it that a caller can write."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
import structlog
from fastapi import FastAPI
from starlette.responses import Response, StreamingResponse

from adapters.logs import configure_logging
from api.middleware import access_log
from api.middleware.access_log import AccessLog
from api.middleware.body_limit import BodyLimit
from api.middleware.methods import Methods
from api.middleware.request_ids import RequestIds
from api.problems import handlers
from api.problems.handlers import install_problem_handlers
from tests.support.numbers import fresh_number

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
Line = dict[str, Any]


class Logs:
    """What was logged, as the service writes it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._stream = io.StringIO()
        self.text = ""

    def configure(self, level: str) -> None:
        """Configure logging as the service does."""
        # pytest puts its own stream back between a fixture and its test.
        self._patch.setattr(sys, "stderr", self._stream)
        configure_logging("json", level)
        # Loggers keep the stream that they have first written to.
        for module in (access_log, handlers):
            self._patch.setattr(module, "_log", structlog.get_logger())

    def read(self) -> list[Line]:
        """Return the lines since the last reading."""
        self.text = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Logs]:
    """The log lines at the level info, as JSON."""
    root = logging.getLogger()
    former, level = root.handlers[:], root.level
    logs = Logs(monkeypatch)
    logs.configure("info")
    yield logs
    root.handlers[:] = former
    root.setLevel(level)
    structlog.reset_defaults()


async def _send_events() -> AsyncIterator[bytes]:
    yield b"data: 1\n\n"
    yield b"data: 2\n\n"


async def _send_forever() -> AsyncIterator[bytes]:
    while True:
        yield b"data: 1\n\n"
        await asyncio.sleep(0)


def create_logged_app() -> FastAPI:
    """Return an application with the middlewares in the order of the API."""
    app = FastAPI()
    install_problem_handlers(app)
    app.add_middleware(Methods)
    app.add_middleware(BodyLimit)
    app.add_middleware(AccessLog)
    app.add_middleware(RequestIds)

    @app.get("/processes/{number}/status")
    async def status(number: str) -> Response:
        structlog.contextvars.bind_contextvars(client="desk")
        return Response(b"x" * 10)

    @app.post("/uploads")
    async def upload(body: dict[str, int]) -> Response:
        return Response(status_code=204)

    @app.get("/broken/{text}")
    async def broken(text: str) -> Response:
        raise RuntimeError("a bug")

    @app.get("/health")
    @app.get("/health/live")
    async def live(*, well: bool = True) -> Response:
        return Response(status_code=200 if well else 503)

    @app.get("/events")
    async def events() -> Response:
        return StreamingResponse(_send_events(), media_type="text/event-stream")

    @app.get("/endless")
    async def endless() -> Response:
        return StreamingResponse(_send_forever(), media_type="text/event-stream")

    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application."""
    transport = httpx2.ASGITransport(create_logged_app(), raise_app_exceptions=False, client=("192.0.2.7", 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def test_the_line_of_an_answered_request(client: httpx2.AsyncClient, logs: Logs) -> None:
    number = fresh_number()
    headers = {"X-Request-Id": "my.id-1", "traceparent": TRACEPARENT, "Authorization": "Bearer hush"}
    answer = await client.get(f"/processes/{number}/status?webhook_url=https://hush.example", headers=headers)
    assert answer.headers["x-request-id"] == "my.id-1"
    [line] = logs.read()
    assert 0 <= line.pop("duration_ms") < 10_000
    assert line.pop("timestamp")
    assert line == {
        "event": "request",
        "level": "info",
        "method": "GET",
        "route": "/processes/{number}/status",
        "process": number,
        "status": 200,
        "bytes": 10,
        "client": "desk",
        "peer": "192.0.2.7",
        "request_id": "my.id-1",
        "trace_id": TRACE_ID,
    }
    assert "hush" not in logs.text


async def test_refused_requests_have_a_line_each_with_the_id_of_the_answer(
    client: httpx2.AsyncClient, logs: Logs
) -> None:
    answers = [
        await client.get("/nothing/here?secret=hush"),
        await client.delete("/events"),
        await client.post("/uploads", content=b"not json"),
        await client.post("/uploads", content=b"x" * 70_000),
        await client.request("BREW", "/events"),
    ]
    lines = logs.read()
    assert [(line["status"], line["route"], line["method"]) for line in lines] == [
        (404, "(none)", "GET"),
        (405, "/events", "DELETE"),
        (422, "/uploads", "POST"),
        (413, "(none)", "POST"),
        (405, "/events", "other"),
    ]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert [line["request_id"] for line in lines] == ids == [answer.json()["request_id"] for answer in answers]
    assert len(set(ids)) == len(ids)
    assert "hush" not in logs.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_traceback_of_a_bug_has_the_id_of_the_answer(
    client: httpx2.AsyncClient, logs: Logs, method: str
) -> None:
    answer = await client.request(method, "/broken/%0a%1b[31mforged", headers={"X-Request-Id": "bug-1"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "bug-1")
    request, traceback = logs.read()
    assert (request["event"], request["status"], request["reason"]) == ("request", 500, "failed")
    assert (request["method"], request["route"]) == (method, "/broken/{text}")
    assert (traceback["event"], traceback["route"]) == ("unexpected error", "/broken/{text}")
    assert "RuntimeError: a bug" in traceback["exception"]
    assert request["request_id"] == traceback["request_id"] == "bug-1"
    assert "forged" not in logs.text


@pytest.mark.parametrize("sent", ["a b", "x" * 129, "a\x1b[31m", 'x", "status": "200'])
async def test_an_unsafe_id_is_replaced(client: httpx2.AsyncClient, logs: Logs, sent: str) -> None:
    answer = await client.get("/nothing", headers={"X-Request-Id": sent, "traceparent": "00-zz-1-01"})
    [line] = logs.read()
    assert line["request_id"] == answer.headers["x-request-id"] != sent
    assert "trace_id" not in line


async def test_a_repeated_id_is_replaced(client: httpx2.AsyncClient, logs: Logs) -> None:
    answer = await client.get("/nothing", headers=[("X-Request-Id", "a"), ("X-Request-Id", "b")])
    assert logs.read()[0]["request_id"] == answer.headers["x-request-id"] not in ("a", "b")


async def test_what_is_no_process_number_is_not_logged(client: httpx2.AsyncClient, logs: Logs) -> None:
    await client.get("/processes/forged%0aline/status")
    assert "process" not in logs.read()[0]
    assert "forged" not in logs.text


async def test_nothing_of_an_earlier_request_is_in_a_later_line(client: httpx2.AsyncClient, logs: Logs) -> None:
    await client.get(f"/processes/{fresh_number()}/status", headers={"traceparent": TRACEPARENT})
    await client.get("/nothing")
    assert {"client", "trace_id", "process"} & logs.read()[1].keys() == set()


@pytest.mark.parametrize("path", ["/health", "/health/live"])
async def test_successful_probes_are_logged_at_the_level_debug_only(
    client: httpx2.AsyncClient, logs: Logs, path: str
) -> None:
    await client.get(path)
    assert logs.read() == []
    await client.get(f"{path}?well=false")
    assert [line["status"] for line in logs.read()] == [503]
    logs.configure("debug")
    await client.get(path)
    assert [line["level"] for line in logs.read()] == ["debug"]


async def test_a_stream_has_a_line_at_its_start_and_one_at_its_end(client: httpx2.AsyncClient, logs: Logs) -> None:
    await client.get("/events", headers={"X-Request-Id": "s-1"})
    start, end = logs.read()
    assert (start["event"], start["status"], start["request_id"]) == ("request", 200, "s-1")
    assert (end["event"], end["reason"], end["bytes"], end["request_id"]) == ("stream ended", "ended", 18, "s-1")


async def test_the_end_of_a_stream_tells_that_the_client_has_gone(logs: Logs) -> None:
    streaming = asyncio.Event()
    scope = {
        "type": "http",
        "asgi": {"spec_version": "2.3"},
        "method": "GET",
        "path": "/endless",
        "headers": [],
        "query_string": b"",
    }

    async def receive() -> dict[str, object]:
        await streaming.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message.get("body"):
            streaming.set()

    await create_logged_app()(scope, receive, send)
    assert [(line["event"], line.get("reason")) for line in logs.read()] == [
        ("request", None),
        ("stream ended", "client_gone"),
    ]
