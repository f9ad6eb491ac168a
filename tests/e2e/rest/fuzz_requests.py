"""Random and malformed requests for the fuzz tests."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote_from_bytes

import httpx2
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import strategies as st

from tests.support.listings import document_ids
from tests.support.numbers import fresh_number

KEY = "a key of sixteen characters"


NUMBER = fresh_number()


UNKNOWN = fresh_number()


[DOCUMENT] = document_ids(1)


# Parts of paths, queries and bodies: valid, nearly valid, and nonsense.
_WORDS = (
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


_words = st.sampled_from(_WORDS).map(str.encode) | st.text(max_size=40).map(str.encode) | st.binary(max_size=40)


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
    # No HTTP server passes these characters on.
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
    | st.sampled_from(_WORDS)
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


def list_route_paths(app: FastAPI) -> list[str]:
    """Return the path templates of the application's routes."""
    return sorted({route.path for route in app.routes if isinstance(route, APIRoute)} | {"/openapi.json", "/docs"})


@st.composite
def requests(draw: st.DrawFn, templates: list[str]) -> httpx2.Request:
    """Draw a request, mostly to a path that exists."""

    def draw_segment(match: re.Match[str]) -> str:
        valid = {"number": NUMBER, "document_id": DOCUMENT, "batch_id": "0" * 32, "code": "sealed"}.get(
            match[1], UNKNOWN
        )
        word = draw(st.just(valid.encode()) | _words)
        return quote_from_bytes(word, safe=draw(st.sampled_from(["", "/.%"])))

    template = draw(st.sampled_from(templates) | st.just("/{anything}"))
    path = re.sub(r"\{(\w+)\}", draw_segment, template) + draw(
        st.sampled_from(["", "", "", "/", "//", "/..", "%00", ";a"])
    )
    query = draw(st.just(b"") | st.lists(st.tuples(_names, _words), max_size=3).map(_form) | _words)
    target = path + ("?" + quote_from_bytes(query, safe="=&%+") if query else "")
    return httpx2.Request(
        draw(st.sampled_from(_METHODS)),
        httpx2.URL("http://127.0.0.1:8000").copy_with(raw_path=target.encode()),
        headers=[(b"Host", b"127.0.0.1"), (b"Authorization", f"Bearer {KEY}".encode())]
        if (headers := draw(_headers)) == []
        else headers,
        content=draw(_bodies),
    )


MALFORMED_REQUESTS = (
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
