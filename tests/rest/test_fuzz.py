"""Whatever is sent, nothing is answered with a defect: neither through the application nor over a socket."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes, urlsplit

import httpx
import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from api.app import create_app
from api.problem_codes import ProblemCode
from domain.completeness import Outcome
from domain.messages import RunClosing, RunEnding, RunOpening
from settings import load_settings
from tests.support.listings import document_ids, listing_of, stored_object
from tests.support.numbers import fresh_number
from tests.support.ports import bound_socket
from tests.support.stack import RunningStack

KEY = "a key of sixteen characters"
NUMBER = fresh_number()
UNKNOWN = fresh_number()
[DOCUMENT] = document_ids(1)
CODES = {code.value for code in ProblemCode}
# What a request may end with although nothing is wrong with it: Temporal and the store are away.
AWAY = {"temporal_unavailable", "not_ready"}


@dataclass(frozen=True)
class Service:
    """The application with its lifespan running, and what it answers at."""

    app: FastAPI
    http: httpx.AsyncClient


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The whole application over a catalog with one complete process; Temporal and the store are away."""
    folder = tmp_path_factory.mktemp("fuzz")
    database = f"sqlite+aiosqlite:///{folder / 'autos.db'}"
    await asyncio.to_thread(upgrade, database)
    await _complete(Catalog(Database(database)))
    with bound_socket() as listener:
        closed = listener.getsockname()[1]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed}")
        app = create_app(
            load_settings(
                data_dir=folder,
                database_url=database,
                api_key=SecretStr(KEY),
                secret_key=SecretStr(Fernet.generate_key().decode()),
                s3_endpoint_url=f"http://127.0.0.1:{closed}",
                s3_access_key_id="nobody",
                s3_secret_access_key=SecretStr("nothing"),
                webhook_allow_private=True,
            )
        )
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
                yield Service(app, http)


async def _complete(catalog: Catalog) -> None:
    run = RunOpening(NUMBER, "run-of-the-fuzz", "desk")
    await catalog.runs.open(run)
    await catalog.listings.record(listing_of(NUMBER, [DOCUMENT]))
    await catalog.documents.mark_available(NUMBER, DOCUMENT, stored_object(NUMBER, DOCUMENT))
    await catalog.runs.close(RunClosing(NUMBER, run.run_id, RunEnding(Outcome.COMPLETED)))
    await catalog.close()


# What stands for a part of a path, a value of a query, a header or a body: what is right, what is nearly so, and
# what is nothing at all.
_NEARLY = (
    *(NUMBER, NUMBER.replace("-", "").replace(".", ""), UNKNOWN, DOCUMENT, DOCUMENT.upper()),
    *(
        "",
        ".",
        "..",
        "%2e%2e",
        "\0",
        "a" * 9_000,
        "0" * 5_000,
        "-1",
        "1e400",
        "NaN",
        "true",
        "null",
        "\u202e",
        "'--",
    ),
    *(
        "available",
        "partial",
        "TJMT",
        "http://127.0.0.1:9/hook",
        "http://[",
        "cDE",
        "cDk5OTk5OTk5OTk",
        "2026-01-01T00:00:00Z",
    ),
)
_words = st.sampled_from(_NEARLY).map(str.encode) | st.text(max_size=40).map(str.encode) | st.binary(max_size=40)
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "get", "BREW", "PROPFIND")
_NAMES = (
    *("auto_download", "webhook_url", "max_age", "status", "cursor", "limit", "court", "code", "client", "since"),
    *("process_number", "document_ids", "priority", "notify", "process_numbers", "token", "refresh_token", "url"),
    *("failed_since", "next", "notice", "number", "key", "form_token"),
)
_names = st.sampled_from(_NAMES).map(str.encode) | _words
_HEADERS = (
    *("Prefer", "If-None-Match", "Last-Event-ID", "Authorization", "Cookie", "Host", "Origin", "Sec-Fetch-Site"),
    *("Content-Type", "Content-Length", "Accept", "Accept-Language", "Accept-Encoding", "Transfer-Encoding"),
    *("X-Request-Id", "X-Forwarded-For", "Forwarded", "Range", "Expect", "Upgrade", "Connection", "Traceparent"),
)
_VALUES = (
    *("wait=0", "wait=99999999999999999999", 'wait="', "wait=\u00b2", 'respond-async, wait=0;a="\\', "wait=-0"),
    *(
        'W/"',
        '"a", *',
        "*",
        "0-" + "0" * 32,
        f"{'9' * 20}-{'f' * 32}",
        "Bearer",
        "Bearer  ",
        "bearer \u00ff",
        "Basic Og==",
    ),
    *(
        "autos_session=",
        "autos_session=gAAAAA==",
        "autos_session=\u00ff; =; ;;",
        "=",
        "127.0.0.1:99999",
        "[::1",
        "[v1.x]",
    ),
    *(
        "application/json",
        "text/plain; charset=utf-7",
        "application/json; charset=\u00e9",
        ";",
        "multipart/form-data",
    ),
    *(
        "-1",
        "0x10",
        "1_0",
        "+3",
        " 3 ",
        "\u00b2",
        "9" * 5_000,
        "null",
        "http://[",
        "cross-site",
        "pt;q=x, *;q=9e9",
        "\u00ff" * 9_000,
    ),
)
_values = st.sampled_from(_VALUES).map(lambda value: value.encode("latin-1")) | st.binary(max_size=60).map(
    # A server lets neither of these through.
    lambda value: re.sub(rb"[\x00-\x08\x0a-\x1f\x7f]", b"?", value)
)
_headers = st.lists(
    st.tuples(st.sampled_from(_HEADERS).map(str.encode), _values)
    | st.just((b"Authorization", f"Bearer {KEY}".encode())),
    max_size=4,
)
_json: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(_NEARLY)
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["\ud800", 10**400, 2**63, -(2**31), "always", [NUMBER, "x", NUMBER], [DOCUMENT]]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*_NAMES, "\ud800", "", "a" * 300]), inner, max_size=4)
    ),
    max_leaves=12,
)
_bodies = (
    _json.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(_NAMES), _json, max_size=3).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=100)
    | st.lists(st.tuples(_names, _words), max_size=4).map(lambda pairs: _form(pairs))
    | st.sampled_from(
        [
            b"",
            b"[" * 30_000,
            b'{"a":' * 10_000,
            b"[" + b"9" * 60_000 + b"]",
            b'{"max_age": ' + b"9" * 5_000 + b"}",
            b'{"max_age": NaN}',
            b'{"priority": -Infinity}',
            b'{"webhook_url": "\\ud800"}',
            b'{"\\ud800\\udfff": 1}',
            b'{"token": "\\u0000"}',
            b"\xef\xbb\xbf{}",
            b'{"process_numbers": [' + b'"",' * 999 + b'""]}',
            b"\xff\xfe{\x00}\x00",
            b"{}" * 40_000,
            b'{"a": 1',
        ]
    )
)


def _form(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return b"&".join(
        quote_from_bytes(name).encode() + b"=" + quote_from_bytes(value).encode() for name, value in pairs
    )


def _templates(app: FastAPI) -> list[str]:
    return sorted({route.path for route in app.routes if isinstance(route, APIRoute)} | {"/openapi.json", "/docs"})


@st.composite
def _requests(draw: st.DrawFn, templates: list[str]) -> httpx.Request:
    """A request, mostly to an address that there is."""

    def part(found: re.Match[str]) -> str:
        right = {"number": NUMBER, "document_id": DOCUMENT, "batch_id": "0" * 32, "code": "sealed"}.get(
            found[1], UNKNOWN
        )
        word = draw(st.just(right.encode()) | _words)
        return quote_from_bytes(word, safe=draw(st.sampled_from(["", "/.%"])))

    template = draw(st.sampled_from(templates) | st.just("/{anything}"))
    path = re.sub(r"\{(\w+)\}", part, template) + draw(st.sampled_from(["", "", "", "/", "//", "/..", "%00", ";a"]))
    query = draw(st.just(b"") | st.lists(st.tuples(_names, _words), max_size=3).map(_form) | _words)
    target = path + ("?" + quote_from_bytes(query, safe="=&%+") if query else "")
    return httpx.Request(
        draw(st.sampled_from(_METHODS)),
        httpx.URL("http://127.0.0.1:8000").copy_with(raw_path=target.encode()),
        headers=[(b"Host", b"127.0.0.1"), (b"Authorization", f"Bearer {KEY}".encode())]
        if (headers := draw(_headers)) == []
        else headers,
        content=draw(_bodies),
    )


def assert_answered(request: httpx.Request, answer: httpx.Response) -> None:
    """The answer is no defect, and a refusal says in a program's words what it is."""
    said = f"{request.method} {request.url!r} {request.headers.raw} {request.content[:300]!r}: {answer.status_code}"
    assert "x-request-id" in answer.headers, said
    assert answer.status_code not in (500, 501, 502, 504), said
    if answer.status_code < 400 or request.method == "HEAD":
        return
    kind = answer.headers["content-type"]
    if kind.startswith("text/html"):  # A page for people, which tells them.
        assert request.url.path == "/" or request.url.path.startswith("/ui/"), said
        return
    assert kind == "application/problem+json", said
    problem = answer.json()
    assert problem["code"] in CODES, said
    assert (problem["status"], problem["request_id"]) == (answer.status_code, answer.headers["x-request-id"]), said
    assert answer.status_code != 503 or problem["code"] in AWAY, said


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(st.data())
async def test_nothing_that_is_asked_is_answered_with_a_defect(service: Service, data: st.DataObject) -> None:
    request = data.draw(_requests(_templates(service.app)))
    assert_answered(request, await service.http.send(request))


_NONSENSE = (
    *(
        b"\r\n\r\n",
        b"\0" * 4_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"SSH-2.0-x\r\n\r\n",
    ),
    *(b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET  /  HTTP/1.1\r\nHost: x\r\n\r\n"),
    *(
        b"GET \xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET * HTTP/1.1\r\n\r\n",
    ),
    *(
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
    ),
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"b" * 300_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % index for index in range(20_000)) + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\n: empty\r\n folded\r\n\r\n",
    b"PUT /court/credentials HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    b"PUT /court/credentials HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"PUT /court/credentials HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n",
    b"POST /batches HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /batches HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"GET /processes/" + NUMBER.encode() + b"/events HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"POST /batches HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\n{",
)


async def test_what_is_no_request_at_all_breaks_nothing(stack: RunningStack) -> None:
    host, port = urlsplit(stack.addresses["api"]).hostname, urlsplit(stack.addresses["api"]).port
    before = stack.pid("api")

    async def sent(nonsense: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(nonsense)
            writer.write_eof()
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    answers = await asyncio.gather(*(sent(nonsense) for nonsense in _NONSENSE))
    for nonsense, answer in zip(_NONSENSE, answers, strict=True):
        assert re.match(rb"HTTP/1.1 [234]|$", answer), (nonsense[:80], answer[:200])
    assert sum(answer.startswith(b"HTTP/1.1 4") for answer in answers) > len(answers) / 2
    assert (await stack.api.get("/health/live")).status_code == 200
    assert stack.pid("api") == before
