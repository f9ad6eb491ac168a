"""Invalid input: it is refused with a problem code, and starts no run."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack

NUMBER = "1011745-77.2025.8.11.0041"


async def count_runs(stack: RunningStack) -> int:
    """Return how many runs Temporal has. Its schedules start other workflows at any time."""
    return (await stack.temporal.count_workflows("WorkflowType = 'DownloadProcess'")).count


@pytest.mark.parametrize(
    "number",
    [
        "1011745-78.2025.8.11.0041",
        "1011745-77.2025.8.11.004",
        "101174577202581100411",
        "abcdefg-hi.jklm.n.op.qrst",
        "1011745_77.2025.8.11.0041",
        "１０１１７４５-77.2025.8.11.0041",
        "1011745-77.2025.8.11.0041' OR 1=1 --",
    ],
)
@pytest.mark.parametrize("route", ["", "/status", "/documents"])
async def test_an_invalid_process_number_is_refused(stack: RunningStack, number: str, route: str) -> None:
    before = await count_runs(stack)
    query = {"auto_download": "true"} if route == "" else {}
    answer = await stack.api.get(f"/processes/{number}{route}", params=query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid_process_number"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert await count_runs(stack) == before


@pytest.mark.parametrize(
    "text",
    [
        "1011745\u201377.2025.8.11.0041",
        "1011745\u201177.2025.8.11.0041",
        "1011745\u00ad-77.2025.8.11.0041",
        "1011745-77.2025.8.11.0041\u200b",
        "\u200f1011745-77.2025.8.11.0041",
        "1011745-77 .2025.8.11.0041",
        '"1011745-77.2025.8.11.0041"',
        "1011745-77.2025.8.11.0041.",
        "1011745-77 2025 8 11 0041",
        "Processo n\u00ba 1011745-77.2025.8.11.0041",
        "\ufeff1011745-77.2025.8.11.0041\r\n",
    ],
)
async def test_a_pasted_number_with_odd_characters_is_accepted(stack: RunningStack, text: str) -> None:
    answer = await stack.api.get(f"/processes/{quote(text, safe='')}/status")

    assert answer.status_code == 404 or answer.json()["process_number"] == NUMBER
    assert answer.status_code == 200 or answer.json()["code"] == "process_unknown"


async def test_wrong_check_digits_are_refused_with_the_right_ones(stack: RunningStack) -> None:
    problem = (await stack.api.get("/processes/1011745-78.2025.8.11.0041")).json()
    assert problem["suggestion"] == NUMBER
    assert "would be 77" in problem["detail"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"webhook_url": "ftp://example.org/hook"}, "invalid_webhook_url"),
        ({"webhook_url": "javascript:alert(1)"}, "invalid_webhook_url"),
        ({"webhook_url": "//example.org/hook"}, "invalid_webhook_url"),
        ({"webhook_url": "https://"}, "invalid_webhook_url"),
        ({"webhook_url": "https://user:pass@example.org/"}, "invalid_webhook_url"),
        ({"webhook_url": "https://example.org:0/"}, "invalid_webhook_url"),
        ({"webhook_url": "https://example.org:99999/"}, "invalid_webhook_url"),
        ({"webhook_url": "https://exam ple.org/"}, "invalid_webhook_url"),
        ({"webhook_url": ""}, "invalid_webhook_url"),
        ({"webhook_url": "https://example.org/" + "x" * 3000}, "invalid_webhook_url"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "1e9"}, "invalid_request"),
        ({"auto_download": "maybe"}, "invalid_request"),
        ({"download": "true"}, "invalid_request"),
    ],
)
async def test_an_invalid_query_is_refused(stack: RunningStack, query: dict[str, str], code: str) -> None:
    before = await count_runs(stack)
    number = fresh_number()
    answer = await stack.api.get(f"/processes/{number}", params={"auto_download": "true", **query})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["parameter"] in query
    assert await count_runs(stack) == before
    assert (await stack.api.get(f"/processes/{number}")).status_code == 404


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "status=gone", "cursor=", "cursor=%00", "page=2"]
)
async def test_an_invalid_page_is_refused(stack: RunningStack, query: str) -> None:
    answer = await stack.api.get(f"/processes/{NUMBER}/documents?{query}")
    assert answer.status_code == 422
    assert answer.json()["code"] in ("invalid_request", "invalid_cursor")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "not_found"),
        ("PATCH", f"/processes/{NUMBER}", 405, "method_not_allowed"),
        ("GET", f"/processes/{NUMBER}/documents/none", 404, "document_unknown"),
        ("GET", f"/processes/{NUMBER}/documents/none/content", 404, "document_unknown"),
    ],
)
async def test_every_error_is_a_problem_document(
    stack: RunningStack, method: str, path: str, status: int, code: str
) -> None:
    answer = await stack.api.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_problem_of_an_unknown_process_tells_how_to_download_it(stack: RunningStack) -> None:
    answer = await stack.api.get(f"/processes/{fresh_number()}")
    assert (answer.status_code, answer.json()["code"]) == (404, "process_unknown")
    assert "auto_download=true" in answer.json()["detail"]


async def test_a_body_that_is_too_large_is_a_problem_document(stack: RunningStack) -> None:
    answer = await stack.api.put("/court/credentials", content=b" " * 65_537)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
