"""The OpenAPI 3.1 description. Only ``servers`` depends on the deployment.

It is written for generators of clients: every enumeration has a name, every response an example, and no name is
used twice. ``tests/integration/api/test_openapi.py`` checks what generators stumble over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from api.problems.problem import MEDIA_TYPE, PROBLEM_SCHEMA
from api.schemas.examples import BODIES, BUNDLE_STREAM, METRICS, OPEN_BODIES, STATUS_STREAM, problem_example
from api.schemas.problems import ProblemBody
from api.schemas.watch_examples import WATCH_BODIES

_TAGS = [
    {"name": "processes", "description": "A court process, its documents, and the run that downloads them."},
    {"name": "lists", "description": "Lists of processes and failures, over all processes."},
    {"name": "batches", "description": "Up to 1,000 processes in one request, with lower priority."},
    {"name": "watches", "description": "Processes that are looked at at intervals, to tell what is new."},
    {"name": "events", "description": "What a client was told, in order, and what webhooks send."},
    {"name": "bundles", "description": "The documents of a process in one file."},
    {"name": "webhooks", "description": "Webhook deliveries, redelivery, and test events."},
    {"name": "court", "description": "The court's status, and the credentials for it."},
    {"name": "accesses", "description": "The access trail: who was handed which document."},
    {"name": "erasure", "description": "Erasure of a process, its receipt, and the legal hold that prevents it."},
    {"name": "operation", "description": "Health checks, metrics and problem pages."},
]
_EXAMPLES = {**BODIES, **WATCH_BODIES}
# What every request may have, and every answer has. Described once.
_PARAMETERS = {
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "An id for this request: 1 to 128 letters, digits, dots, hyphens and underscores. The "
        "service makes one if this is missing or has another form.",
        "schema": {"type": "string"},
    },
    "Traceparent": {
        "name": "traceparent",
        "in": "header",
        "description": "W3C Trace Context. The log lines of the request and of the run that it starts have the "
        "trace id. Invalid values are ignored.",
        "schema": {"type": "string"},
    },
}
_HEADERS = {
    "RequestId": {
        "description": "Id of the request in the service's logs: the one that was sent, or a new one.",
        "schema": {"type": "string"},
    }
}
_RETRY_AFTER = {
    "description": "Seconds to wait before the next request.",
    "schema": {"type": "integer", "minimum": 0},
}
_LINK = {
    "description": 'URL of the next page, with `rel="next"` (RFC 8288). Missing on the last page.',
    "schema": {"type": "string"},
}
# Relative to the address of the description: right for every deployment whose public URL is not set.
_SERVER_OF_THIS_DESCRIPTION = {"url": "/", "description": "The service that this description comes from."}
# FastAPI's own bodies for 422. Here they are problems.
_UNUSED_SCHEMAS = ("HTTPValidationError", "ValidationError")
# The problems that any route may answer with.
_COMMON_PROBLEMS = {"500": "Internal Server Error"}


def operation_id(route: APIRoute) -> str:
    """Return a route's operation id: the name of its function."""
    return route.name


def install_openapi(app: FastAPI) -> Callable[[], bytes]:
    """Replace the description that FastAPI generates, and serve it at ``/openapi.json``.

    Returns:
        A function that returns the description as JSON. Its first call generates it, which takes 0.3 s, and more
        than a second under load: too long for the first request.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build_description(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the description.

    @cache
    def openapi_json() -> bytes:
        return bytes(JSONResponse(openapi()).body)

    async def get_openapi_json(_: Request) -> Response:
        # FastAPI's own route serializes it for each request: more work than any other answer that needs no key.
        return Response(openapi_json(), media_type="application/json")

    app.add_route("/openapi.json", get_openapi_json, include_in_schema=False)
    return openapi_json


def dump_description(app: FastAPI) -> str:
    """Return the description in the form of ``docs/openapi.json``."""
    description = {**app.openapi(), "servers": [_SERVER_OF_THIS_DESCRIPTION]}
    return json.dumps(description, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _build_description(app: FastAPI) -> dict[str, Any]:
    description = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        webhooks=app.webhooks.routes,
        tags=_TAGS,
        servers=app.servers or [_SERVER_OF_THIS_DESCRIPTION],
        license_info=app.license_info,
    )
    schemas = description.setdefault("components", {}).setdefault("schemas", {})
    problem = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["ProblemBody"] = problem
    description["components"] |= {"parameters": _PARAMETERS, "headers": _HEADERS}
    # Before there are examples: a problem has a title too.
    _remove_titles([description["paths"], description.get("webhooks", {})])
    for path, operations in description["paths"].items():
        for operation in operations.values():
            _complete_responses(operation["responses"])
            _add_link_header(operation)
            _remove_null_body(operation)
            # In the order of the path: some generators make positional parameters of them.
            operation.get("parameters", []).sort(key=lambda parameter: _place_in(path, parameter))
            _add_examples(path, operation["responses"])
            references = ({"$ref": f"#/components/parameters/{name}"} for name in _PARAMETERS)
            operation.setdefault("parameters", []).extend(references)
    for operation in _outgoing_operations(description):
        # FastAPI's 422 is for requests to this API. What a receiver answers is not ours to describe.
        operation["responses"].pop("422", None)
    for name in _UNUSED_SCHEMAS:
        schemas.pop(name, None)
    for name, schema in schemas.items():
        _remove_titles(schema)
        schema["title"] = name
    return description


def _add_link_header(operation: dict[str, Any]) -> None:
    if any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ())):
        operation["responses"]["200"]["headers"]["Link"] = _LINK


def _place_in(path: str, parameter: dict[str, Any]) -> int:
    return path.index(f"{{{parameter['name']}}}") if parameter["in"] == "path" else len(path)


def _remove_null_body(operation: dict[str, Any]) -> None:
    """Describe an optional body as one that may be missing: ``null`` is refused."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    match content.get("schema"):
        case {"anyOf": [schema, {"type": "null"}]}:
            content["schema"] = schema


def _add_examples(path: str, responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        for media_type, content in response.get("content", {}).items():
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            if media_type == MEDIA_TYPE:
                content["example"] = problem_example(int(status), path)
            elif name:
                content["example"] = (OPEN_BODIES if status == "202" else _EXAMPLES).get(name, _EXAMPLES[name])
            elif media_type == "text/event-stream":
                # Without FastAPI's schema of the stream's items, which has a keyword of OpenAPI 3.2.
                example = BUNDLE_STREAM if "/bundles/" in path else STATUS_STREAM
                response["content"][media_type] = {"schema": {}, "example": example}
            elif path == "/metrics":
                content["example"] = METRICS


def _remove_titles(part: object) -> None:
    """Remove the titles that pydantic makes of field names: generators use titles as names of types."""
    if isinstance(part, dict):
        if isinstance(part.get("title"), str):
            del part["title"]
        for value in part.values():
            _remove_titles(value)
    elif isinstance(part, list):
        for value in part:
            _remove_titles(value)


def _outgoing_operations(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the requests that the service itself sends: events and callbacks."""
    paths = [*description.get("webhooks", {}).values()]
    for path in description["paths"].values():
        for operation in path.values():
            for callback in operation.get("callbacks", {}).values():
                paths += callback.values()
    for path in paths:
        yield from path.values()


def _complete_responses(responses: dict[str, Any]) -> None:
    if any(name in json.dumps(responses.get("422", {})) for name in _UNUSED_SCHEMAS):
        del responses["422"]
    for status, title in _COMMON_PROBLEMS.items():
        responses.setdefault(
            status, {"description": title, "content": {MEDIA_TYPE: {"schema": {"$ref": PROBLEM_SCHEMA}}}}
        )
    for status, response in responses.items():
        headers = response.setdefault("headers", {})
        headers.setdefault("X-Request-Id", {"$ref": "#/components/headers/RequestId"})
        if status in ("429", "503"):
            headers.setdefault("Retry-After", _RETRY_AFTER)
