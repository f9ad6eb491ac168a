"""The API's description of itself (OpenAPI 3.1), the same for every deployment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from api.problems import MEDIA_TYPE, PROBLEM_SCHEMA
from api.schemas import ProblemBody

_TAGS = [
    {"name": "processes", "description": "A court process, its documents, and the run that downloads them."},
    {"name": "lists", "description": "What is there, and what failed, over all processes."},
    {"name": "batches", "description": "Up to 1,000 processes at once, behind everybody's single requests."},
    {"name": "webhooks", "description": "Being called when a run ends: the log, redelivery, and a test."},
    {"name": "court", "description": "Whether the court answers, and the credentials that people bring."},
    {"name": "operation", "description": "Whether the service is alive and ready, and what it counts."},
]
_REQUEST_ID = {
    "description": "Names the request in the service's logs.",
    "schema": {"type": "string"},
}
_RETRY_AFTER = {
    "description": "Seconds after which asking again makes sense.",
    "schema": {"type": "integer", "minimum": 0},
}
# FastAPI's own bodies for 422, which are answered as problems here.
_NEVER_ANSWERED = ("HTTPValidationError", "ValidationError")
_ANY_ROUTE = {
    "500": "Internal Server Error",
}


def operation_id(route: APIRoute) -> str:
    """A route's name in generated clients: its function's."""
    return route.name


def describe(app: FastAPI) -> None:
    """Have the application describe itself completely: problems as what they are, and every header."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the description.

    @cache
    def body() -> bytes:
        return bytes(JSONResponse(openapi()).body)

    async def get_openapi_json(_: Request) -> Response:
        # FastAPI's own route writes it anew each time: more work than any other answer without a key.
        return Response(body(), media_type="application/json")

    app.add_route("/openapi.json", get_openapi_json, include_in_schema=False)


def written(app: FastAPI) -> str:
    """The description as it stands in docs/openapi.json."""
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _described(app: FastAPI) -> dict[str, Any]:
    description = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        webhooks=app.webhooks.routes,
        tags=_TAGS,
        license_info=app.license_info,
    )
    schemas = description.setdefault("components", {}).setdefault("schemas", {})
    problem = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["ProblemBody"] = problem
    for path in description["paths"].values():
        for operation in path.values():
            _complete(operation["responses"])
    for sent in _sent_by_us(description):
        # What a receiver answers is not ours to say, but for what we take.
        sent["responses"].pop("422", None)
    for unused in _NEVER_ANSWERED:
        schemas.pop(unused, None)
    return description


def _sent_by_us(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The requests that the service itself sends: events and callbacks."""
    paths = [*description.get("webhooks", {}).values()]
    for path in description["paths"].values():
        for operation in path.values():
            for callback in operation.get("callbacks", {}).values():
                paths += callback.values()
    for path in paths:
        yield from path.values()


def _complete(responses: dict[str, Any]) -> None:
    if any(name in json.dumps(responses.get("422", {})) for name in _NEVER_ANSWERED):
        del responses["422"]
    for status, title in _ANY_ROUTE.items():
        responses.setdefault(
            status, {"description": title, "content": {MEDIA_TYPE: {"schema": {"$ref": PROBLEM_SCHEMA}}}}
        )
    for status, response in responses.items():
        headers = response.setdefault("headers", {})
        headers.setdefault("X-Request-Id", _REQUEST_ID)
        if status in ("429", "503"):
            headers.setdefault("Retry-After", _RETRY_AFTER)
