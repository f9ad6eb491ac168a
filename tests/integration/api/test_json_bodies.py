"""Bodies of requests are strict JSON, on every route that has a body, and errors name the place."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from api.app import create_app
from api.json_bodies import JsonRoute
from settings import load_settings

KEY = "a key of sixteen characters"
DOWNLOADS = "/processes/1011745-77.2025.8.11.0041/downloads"
ROUTES = [
    ("POST", DOWNLOADS),
    ("POST", "/batches"),
    ("POST", "/webhooks/test"),
    ("POST", "/webhooks/deliveries/redeliver"),
    ("PUT", "/court/credentials"),
    ("PUT", "/processes/1011745-77.2025.8.11.0041/hold"),
    ("PUT", "/processes/1011745-77.2025.8.11.0041/watch"),
    ("POST", "/watches"),
    ("POST", "/processes/1011745-77.2025.8.11.0041/bundles"),
]


@cache
def create_app_without_services() -> FastAPI:
    """Create the API once: no test changes it."""
    app = create_app(load_settings(api_key=KEY))
    for name in ("batches", "broadcaster", "court", "downloads", "lists", "presenter", "webhooks"):
        setattr(app.state, name, None)
    return app


@pytest.fixture
async def api() -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the API without the services behind it: no request here reaches them."""
    transport = httpx2.ASGITransport(create_app_without_services())
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:
        yield client


async def send(api: httpx2.AsyncClient, body: bytes | str, content_type: str | None = "application/json") -> Any:
    """Request a download with a body, and return the problem."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await api.post(DOWNLOADS, content=body, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    return problem


def test_every_route_with_a_body_reads_it_as_strict_json() -> None:
    routes = [context.original_route for context in iter_route_contexts(create_app(load_settings()).routes)]
    with_body = [route for route in routes if isinstance(route, APIRoute) and route.body_field is not None]
    assert len(with_body) == len(ROUTES)
    assert [route.path for route in with_body if not isinstance(route, JsonRoute)] == []


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("key", [f"Bearer {KEY}", "Bearer wrong"])
@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"],
)
async def test_another_media_type_is_refused_on_every_route_before_the_key_is_checked(
    api: httpx2.AsyncClient, method: str, path: str, key: str, content_type: str | None
) -> None:
    headers = {"Authorization": key} | ({} if content_type is None else {"Content-Type": content_type})
    answer = await api.request(method, path, content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert answer.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/vnd.autos+json",
    ],
)
async def test_json_media_types_are_accepted(api: httpx2.AsyncClient, content_type: str) -> None:
    problem = await send(api, '{"max_age": -1}', content_type)
    assert (problem["status"], problem["errors"][0]["pointer"]) == (422, "#/max_age")


async def test_an_address_with_a_slash_at_its_end_leads_nowhere(api: httpx2.AsyncClient) -> None:
    for path in ("/health/", "/docs/", f"{DOWNLOADS}/"):
        answer = await api.get(path, headers={"Host": "elsewhere.example"})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert "slash" in answer.json()["detail"]
        assert "location" not in answer.headers


async def test_a_compressed_body_is_refused_as_such(api: httpx2.AsyncClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await api.post(DOWNLOADS, content=gzip.compress(b"{}"), headers=headers)
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
    assert "Content-Encoding" in answer.json()["detail"]
    plain = await api.post(
        DOWNLOADS, content=b'{"max_age": -1}', headers=headers | {"Content-Encoding": "identity"}
    )
    assert plain.status_code == 422


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ('{"max_age": "x"}', "max_age: must be an integer"),
        ('{"max_age": -1}', "max_age: must be at least 0"),
        ('{"maxage": 1}', "maxage: is not known here; check its spelling"),
        ('{"notify": "x"}', "notify: must be 'on_end' or 'always'"),
        ('{"document_ids": "x"}', "document_ids: must be an array"),
        ('{"document_ids": [3]}', "document_ids.0: must be a string"),
        ("[]", "body: must be a JSON object"),
    ],
)
async def test_what_is_wrong_with_a_member_is_said_in_the_words_of_json(
    api: httpx2.AsyncClient, body: str, detail: str
) -> None:
    problem = await send(api, body)
    assert problem["detail"] == f"The request is not valid. {detail}"
    assert problem["errors"][0]["detail"] == detail.partition(": ")[2]


async def test_an_empty_required_body_is_missing_whatever_its_media_type(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/batches", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        [{"parameter": "body", "pointer": "#", "detail": "is missing"}],
    )


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ('{"max_age": 5,}', "line 1, column 15"),
        ('{\n  "max_age": five\n}', "line 2, column 14"),
        (b'{"max_age": "\xff"}', "byte 14"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "not UTF-8 at byte 1"),
        ('{"max_age": NaN}', "NaN"),
        ('{"max_age": -Infinity}', "-Infinity"),
        ('{"max_age": 5, "max_age": 6}', '"max_age" twice'),
        ('{"document_ids": [{"a": 1, "a": 2}]}', '"a" twice'),
        ('{"\\ud800": 1, "\\ud800": 2}', '"\\ud800" twice'),
        ("[" * 60_000, "nested too deeply"),
        ('{"max_age": ' + "9" * 5_000 + "}", "too many digits"),
        ("null", "null"),
        (" ", "line 1, column 2"),
    ],
)
async def test_what_is_not_strict_json_is_refused_with_its_place(
    api: httpx2.AsyncClient, body: bytes | str, place: str
) -> None:
    problem = await send(api, body)
    assert (problem["status"], problem["code"]) == (422, "invalid_request")
    assert place in problem["detail"]
    [error] = problem["errors"]
    assert (error["parameter"], error["pointer"]) == ("body", "#")
    assert place in error["detail"]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (
            {"max_age": -1, "document_ids": ["a", "b/c"]},
            {"max_age": "#/max_age", "document_ids.1": "#/document_ids/1"},
        ),
        ({"a/b~c": 1}, {"a/b~c": "#/a~1b~0c"}),
        ({"á b": 1}, {"á b": "#/%C3%A1%20b"}),
        ({"notify": "never"}, {"notify": "#/notify"}),
        ([1], {"body": "#"}),
        ("text", {"body": "#"}),
        ({"\ud800": 1}, {"body": "#"}),
        ({"max_age": float("1e300")}, {"max_age": "#/max_age"}),
    ],
)
async def test_wrong_members_have_pointers(api: httpx2.AsyncClient, body: Any, pointers: dict[str, str]) -> None:
    problem = await send(api, json.dumps(body))
    assert (problem["status"], problem["code"]) == (422, "invalid_request")
    assert {error["parameter"]: error["pointer"] for error in problem["errors"]} == pointers


async def test_a_deeply_nested_value_is_an_error_of_its_member(api: httpx2.AsyncClient) -> None:
    problem = await send(api, '{"max_age": ' + "[" * 800 + "]" * 800 + "}")
    assert (problem["status"], problem["errors"][0]["pointer"]) == (422, "#/max_age")


async def test_parameters_outside_the_body_have_names_and_no_pointers(api: httpx2.AsyncClient) -> None:
    query = (await api.get("/processes", params={"limit": "0", "page": "2"})).json()
    assert [sorted(error) for error in query["errors"]] == [["detail", "parameter"]] * 2
    assert {error["parameter"] for error in query["errors"]} == {"limit", "page"}
    path = (await api.post("/processes/1/downloads", json={"max_age": 5})).json()
    assert [(error["parameter"], "pointer" in error) for error in path["errors"]] == [("number", False)]
