"""HEAD, OPTIONS, ``Allow``, gzip and ``Link``, for every route of a running service."""

from __future__ import annotations

import asyncio
import gzip
import json

import httpx2
import pytest

from api.app import create_app
from settings import load_settings
from tests.e2e.rest.conftest import SecondApi
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack

DESCRIPTION = create_app(load_settings()).openapi()
GET_PATHS = sorted(path for path, methods in DESCRIPTION["paths"].items() if "get" in methods)
PAGES = ["/", "/docs", "/openapi.json", "/ui/sign-in"]
# What differs from one answer to the next, or is written by the server for a body.
VOLATILE = {"date", "x-request-id", "transfer-encoding", "location"}


async def fill_path(stack: RunningStack, path: str, number: str) -> str:
    """Return the path with ids that exist, as far as the shared stack has some."""
    documents = await stack.list_documents(number)
    values = {
        "number": number,
        "document_id": documents[0]["id"],
        "code": "not_found",
        "batch_id": "0" * 32,
        "delivery_id": "evt_" + "0" * 32,
        "bundle_id": "0" * 64,
    }
    return path.format(**values)


def comparable(answer: httpx2.Response) -> dict[str, str]:
    """Return the headers that HEAD and GET have to share."""
    return {name: value for name, value in answer.headers.items() if name not in VOLATILE}


@pytest.mark.parametrize("path", [*GET_PATHS, *PAGES])
async def test_head_has_the_headers_of_get_and_no_body(stack: RunningStack, number: str, path: str) -> None:
    address = await fill_path(stack, path, number)
    # Signed links differ each time, and so does their size when they are compressed.
    coding = {"Accept-Encoding": "identity" if "{number}" in path else "gzip"}
    head = await stack.api.head(address, headers=coding)
    got = await stack.api.get(address, headers=coding)

    assert head.status_code == got.status_code
    assert head.content == b""
    ours, theirs = comparable(head), comparable(got)
    if path not in ("/docs", "/openapi.json") and "{" not in path:
        # What it shows changes by itself, the metrics even with these requests.
        assert (ours.pop("content-length", "0") == "0") is (theirs.pop("content-length", "0") == "0")
    assert ours == theirs


async def test_head_starts_no_download(stack: RunningStack) -> None:
    unknown = fresh_number()
    await stack.create_process(unknown, 1)

    answer = await stack.api.head(f"/processes/{unknown}", params={"auto_download": "true"})

    assert answer.status_code == 404
    assert await stack.list_run_ids(unknown) == []


async def test_head_of_a_stream_of_an_open_run_ends_at_once(second_api: SecondApi, paused_number: str) -> None:
    async with asyncio.timeout(60):
        answer = await second_api.client.head(f"/processes/{paused_number}/events")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert paused_number not in second_api.subscriptions
    unknown = await second_api.client.head(f"/processes/{fresh_number()}/events")
    assert unknown.status_code == 404


@pytest.mark.parametrize("path", DESCRIPTION["paths"])
async def test_allow_names_every_method_of_the_address(stack: RunningStack, number: str, path: str) -> None:
    methods = {method.upper() for method in DESCRIPTION["paths"][path]}
    expected = ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))
    address = path.format(
        number=number, document_id="x", code="x", batch_id="x", delivery_id="x", endpoint_id="x", bundle_id="x"
    )

    options = await stack.api.options(address)
    refused = await stack.api.request("TRACE", address)

    assert (options.status_code, options.content) == (204, b"")
    assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
    assert options.headers["allow"] == refused.headers["allow"] == expected


async def test_options_of_an_unknown_address_is_not_found(stack: RunningStack) -> None:
    assert (await stack.api.options("/nothing/here")).status_code == 404


async def read_raw(api: httpx2.AsyncClient, address: str, **headers: str) -> tuple[httpx2.Headers, bytes]:
    """Return the headers and the bytes of an answer as they were sent."""
    async with api.stream("GET", address, headers=headers) as answer:
        return answer.headers, b"".join([piece async for piece in answer.aiter_raw()])


async def test_an_answer_is_compressed_for_clients_that_accept_it(stack: RunningStack, number: str) -> None:
    address = f"/processes/{number}/documents"
    # The page has set one, and what a browser with a session gets is not compressed.
    stack.api.cookies.clear()
    plain_headers, plain = await read_raw(stack.api, address, **{"Accept-Encoding": "identity"})
    headers, compressed = await read_raw(stack.api, address, **{"Accept-Encoding": "br, gzip;q=0.5"})

    assert headers["content-encoding"] == "gzip"
    assert len(compressed) < len(plain) / 2
    assert int(headers["content-length"]) == len(compressed)
    ids = [
        [document["id"] for document in json.loads(body)["documents"]]
        for body in (plain, gzip.decompress(compressed))
    ]
    assert ids[0] == ids[1] != []
    assert plain_headers["vary"] == headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/documents", {"Accept-Encoding": "gzip;q=0"}),
        ("/documents", {"Accept-Encoding": "gzip; q=0.0, identity"}),
        ("/documents", {"Accept-Encoding": "br"}),
        ("/documents", {"Accept-Encoding": "gzip", "Cookie": "theme=dark"}),
        ("/events", {"Accept-Encoding": "gzip"}),
    ],
)
async def test_an_answer_is_not_compressed(
    stack: RunningStack, number: str, path: str, headers: dict[str, str]
) -> None:
    answered, _ = await read_raw(stack.api, f"/processes/{number}{path}", **headers)
    assert "content-encoding" not in answered
    assert answered["vary"] == "Accept-Encoding"


async def test_an_etag_is_weak_and_the_same_with_and_without_compression(stack: RunningStack, number: str) -> None:
    address = f"/processes/{number}/status"
    tags = {
        (await read_raw(stack.api, address, **{"Accept-Encoding": coding}))[0]["etag"] for coding in ("gzip", "br")
    }
    [tag] = tags
    assert tag.startswith("W/")
    unchanged = await stack.api.get(address, headers={"If-None-Match": tag, "Accept-Encoding": "gzip"})
    assert (unchanged.status_code, unchanged.headers["vary"]) == (304, "Prefer, Accept-Encoding")


@pytest.mark.parametrize(
    ("address", "items"),
    [
        ("/processes/{number}/documents?status=available&limit=1", "documents"),
        ("/processes?court=TJMT&limit=1", "processes"),
        ("/failures?limit=1", "failures"),
        ("/batches?limit=1", "batches"),
        ("/webhooks/deliveries?limit=1", "deliveries"),
    ],
)
async def test_link_leads_to_the_next_page_and_keeps_the_filters(
    stack: RunningStack, number: str, address: str, items: str
) -> None:
    await create_two_of_everything(stack)
    seen: list[object] = []
    following: str | None = address.format(number=number)
    while following is not None and len(seen) < 2:
        answer = await stack.api.get(following)
        body = answer.json()
        seen += body[items]
        assert answer.links.get("next", {}).get("url") == body[f"{items}_next"]
        assert (body["next_cursor"] is None) == (body[f"{items}_next"] is None)
        following = body[f"{items}_next"]
        if following is not None:
            given, kept = httpx2.URL(address).params, httpx2.URL(following).params
            assert {**given, "cursor": body["next_cursor"]} == dict(kept)
    assert len(seen) == 2
    assert seen[0] != seen[1]


async def create_two_of_everything(stack: RunningStack) -> None:
    """Fill the lists, unless each of them has two already: failures, batches and deliveries."""
    lists = {"/failures": "failures", "/batches": "batches", "/webhooks/deliveries": "deliveries"}
    if all([len((await stack.api.get(path)).json()[items]) >= 2 for path, items in lists.items()]):
        return
    for _ in range(2):
        failing = fresh_number()
        await stack.create_process(failing, 1, exists=False)
        await stack.request_download(failing)
        await stack.wait_until_ended(failing)
        (await stack.api.post("/batches", json={"process_numbers": [failing]})).raise_for_status()
        (await stack.api.post("/webhooks/test", json={"url": "http://127.0.0.1:9/"})).raise_for_status()
