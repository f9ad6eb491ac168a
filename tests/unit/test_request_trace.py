"""Which ids of a caller are taken on."""

from __future__ import annotations

import pytest

from domain.keys import generate_key
from domain.request_trace import RequestTrace, read_request_id, read_traceparent
from domain.spans import SpanContext

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"


@pytest.mark.parametrize("text", ["a", "6f1c2a1e-5b1f-4a5e-8f5e-0c3f6d1e2b3a", "01J_X.y-Z", "x" * 128])
def test_a_safe_request_id_is_taken_on(text: str) -> None:
    assert read_request_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "x" * 129, "a b", "a\n", "a\r\nb", "\x1b[31m", "a\x00", "ação", "١٢٣", 'a"b', "a;b", "a/b", "{}"),
        *("autos_" + "a" * 52, "whsec_c2VjcmV0", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"),
    ],
)
def test_any_other_text_is_not(text: str) -> None:
    assert read_request_id(text) is None


def test_an_api_key_is_not() -> None:
    assert read_request_id(generate_key()[1]) is None


@pytest.mark.parametrize(
    "header",
    [
        f"00-{TRACE_ID}-{PARENT_ID}-01",
        f"00-{TRACE_ID}-{PARENT_ID}-ff",
        # Later versions may add members.
        f"01-{TRACE_ID}-{PARENT_ID}-00",
        f"cc-{TRACE_ID}-{PARENT_ID}-00-what-comes-later",
    ],
)
def test_a_valid_traceparent_names_a_span(header: str) -> None:
    span = read_traceparent(header)
    assert span is not None
    assert (span.trace_id, span.span_id) == (TRACE_ID, PARENT_ID)


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("ff", True)])
def test_a_traceparent_says_whether_its_span_is_exported(flags: str, sampled: bool) -> None:
    assert read_traceparent(f"00-{TRACE_ID}-{PARENT_ID}-{flags}") == SpanContext(TRACE_ID, PARENT_ID, sampled)


@pytest.mark.parametrize(
    "header",
    [
        *("", "00", TRACE_ID, f"00-{TRACE_ID}-{PARENT_ID}", f"00-{TRACE_ID}-{PARENT_ID}-1"),
        f"ff-{TRACE_ID}-{PARENT_ID}-01",
        f"0-{TRACE_ID}-{PARENT_ID}-01",
        f"00-{TRACE_ID.upper()}-{PARENT_ID}-01",
        f"00-{TRACE_ID[:-1]}g-{PARENT_ID}-01",
        f"00-{TRACE_ID[:-1]}-{PARENT_ID}-01",
        f"00-{'0' * 32}-{PARENT_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID}-{PARENT_ID}-01-more",
        f"00-{TRACE_ID}-{PARENT_ID}-01-",
        f"01-{TRACE_ID}-{PARENT_ID}-01more",
        f"00-{TRACE_ID}-{PARENT_ID}-01\n",
        f" 00-{TRACE_ID}-{PARENT_ID}-01",
    ],
)
def test_an_invalid_traceparent_names_none(header: str) -> None:
    assert read_traceparent(header) is None


@pytest.mark.parametrize(
    "trace", [RequestTrace("r-1"), RequestTrace("r-1", TRACE_ID), RequestTrace("r-1", TRACE_ID, PARENT_ID)]
)
def test_a_trace_survives_its_header(trace: RequestTrace) -> None:
    assert RequestTrace.from_json(trace.to_json()) == trace


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b"[]", b"{}", b'{"request_id": 1}', b'{"request_id": "a\\nb"}']
)
def test_anything_else_in_the_header_is_no_trace(data: bytes) -> None:
    assert RequestTrace.from_json(data) is None


def test_a_span_that_is_not_exported_has_none_below_it() -> None:
    trace = RequestTrace("r-1", TRACE_ID)
    assert trace.below(None) == trace
    assert trace.below(SpanContext(TRACE_ID, PARENT_ID, sampled=False)) == trace
    assert trace.span is None
    assert trace.below(SpanContext(TRACE_ID, PARENT_ID)).span == SpanContext(TRACE_ID, PARENT_ID)


def test_a_span_is_in_no_log_line() -> None:
    assert "span_id" not in RequestTrace("r-1", TRACE_ID, PARENT_ID).to_fields()


def test_an_invalid_span_is_no_span() -> None:
    data = f'{{"request_id": "r-1", "trace_id": "{TRACE_ID}", "span_id": "{PARENT_ID}x"}}'
    assert RequestTrace.from_json(data.encode()) == RequestTrace("r-1", TRACE_ID)
