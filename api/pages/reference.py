"""The API reference for developers: the OpenAPI description as a page that works without a script.

All content comes from the description. The templates contain only the markup.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from fastapi import APIRouter, FastAPI, Request
from jinja2 import Environment, FileSystemLoader
from starlette.responses import Response

from api.pages.rendering import PageRoute, render_page

Schema: TypeAlias = Mapping[str, Any]

_CODE = re.compile(r"(`+)(.+?)\1")
_ELLIPSIS: Final = "…"
# Constraints of a schema besides its type.
_LIMITS: Final = {
    "format": "{}",
    "x-format": "{}",
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "like {}",
    "writeOnly": "never returned",
}
_SAMPLES: Final = {
    "cnj-process-number": "1011745-77.2025.8.11.0041",
    "date-time": "2026-01-31T12:00:00Z",
    "webhook-url": "https://example.org/hook",
}

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Operation:
    """A request that the service takes or sends.

    Attributes:
        anchor: Its id within the page.
        method: The HTTP method.
        address: The path, or the name of an event.
        spec: Its OpenAPI operation object.
        curl: A command that sends it. None for what the service itself sends.
    """

    anchor: str
    method: str
    address: str
    spec: Schema
    curl: str | None = None

    @property
    def callbacks(self) -> tuple[Operation, ...]:
        """The requests that the service sends to a URL in this request."""
        return tuple(
            operation
            for paths in self.spec.get("callbacks", {}).values()
            for address, path in paths.items()
            for operation in _operations(address, path)
        )

    @property
    def parameters(self) -> tuple[Schema, ...]:
        """Its own parameters, without those of every request."""
        return _own_parameters(self.spec)

    @property
    def headers(self) -> Iterator[tuple[str, Schema, list[str]]]:
        """Each header of the responses: its name, its header object, and the statuses that have it.

        Without those of every response, which are references.
        """
        headers: dict[str, tuple[Schema, list[str]]] = {}
        for status, response in self.spec["responses"].items():
            for name, header in response.get("headers", {}).items():
                if "$ref" in header:
                    continue
                headers.setdefault(name, (header, []))[1].append(status)
        for name, (header, statuses) in headers.items():
            yield name, header, statuses

    @property
    def request_schemas(self) -> tuple[str, ...]:
        """The names of the schemas of the request's body."""
        return _schema_names(self.spec.get("requestBody", {}))

    @property
    def response_schemas(self) -> tuple[str, ...]:
        """The names of the schemas of its successful responses."""
        return _schema_names(*(response for status, response in self.spec["responses"].items() if status < "3"))


@dataclass(frozen=True, slots=True)
class Section:
    """The operations with one tag."""

    name: str
    description: str
    operations: tuple[Operation, ...]


@router.get("/docs")
async def get_reference(request: Request) -> Response:
    """The whole API. No key is needed, as for the description."""
    return render_page(request, "reference", content=_render_content(request.app))


@lru_cache(maxsize=1)
def _render_content(app: FastAPI) -> str:
    """Render the part of the page that is the same for everybody. Cached: the description does not change."""
    description = app.openapi()
    return _templates.get_template("reference_content.html.jinja").render(
        description=description,
        sections=_sections(description),
        events=tuple(
            operation
            for name, path in description.get("webhooks", {}).items()
            for operation in _operations(name, path)
        ),
        schemas=description["components"]["schemas"],
        shared_parameters=tuple(description["components"]["parameters"].values()),
        shared_headers=_shared_headers(description),
    )


def _sections(description: Schema) -> tuple[Section, ...]:
    schemas = description["components"]["schemas"]
    operations = [
        operation for path, spec in description["paths"].items() for operation in _operations(path, spec, schemas)
    ]
    descriptions = {tag["name"]: tag.get("description", "") for tag in description.get("tags", ())}
    tags = dict.fromkeys([*descriptions, *(_tag(operation) for operation in operations)])
    return tuple(
        Section(
            tag, descriptions.get(tag, ""), tuple(operation for operation in operations if _tag(operation) == tag)
        )
        for tag in tags
    )


def _tag(operation: Operation) -> str:
    tag: str = operation.spec.get("tags", ["others"])[0]
    return tag


def _operations(address: str, path: Schema, schemas: Schema | None = None) -> Iterator[Operation]:
    for method, spec in path.items():
        yield Operation(
            anchor=f"operation-{spec['operationId']}",
            method=method.upper(),
            address=address,
            spec=spec,
            curl=None if schemas is None else _curl(method.upper(), address, spec, schemas),
        )


def _shared_headers(description: Schema) -> dict[str, Schema]:
    """Return the headers of every response, by the names that the responses use for the references."""
    components = description["components"]["headers"]
    return {
        name: components[_name(header["$ref"])]
        for path in description["paths"].values()
        for spec in path.values()
        for response in spec["responses"].values()
        for name, header in response.get("headers", {}).items()
        if "$ref" in header
    }


def _own_parameters(spec: Schema) -> tuple[Schema, ...]:
    return tuple(parameter for parameter in spec.get("parameters", ()) if "$ref" not in parameter)


def _curl(method: str, path: str, spec: Schema, schemas: Schema) -> str:
    """Return a curl command that uses AUTOS, KEY and the path's parameters as shell variables."""
    url = "$AUTOS" + re.sub(r"\{(\w+)\}", lambda match: f"${match[1].upper()}", path)
    required = [
        f"{parameter['name']}=${parameter['name'].upper()}"
        for parameter in _own_parameters(spec)
        if parameter["in"] == "query" and parameter.get("required")
    ]
    words = ["curl"]
    if method != "GET":
        words += ["-X", method]
    if any("text/event-stream" in response.get("content", {}) for response in spec["responses"].values()):
        words += ["-N"]
    if "307" in spec["responses"]:
        words += ["-L", "-o", "document"]
    words += [f'"{url}{"?" if required else ""}{"&".join(required)}"']
    if spec.get("security"):
        words += ["-H", '"Authorization: Bearer $KEY"']
    body = spec.get("requestBody", {})
    if body.get("required"):
        sample = _sample(body["content"]["application/json"]["schema"], schemas)
        words += ["-H", "'Content-Type: application/json'"]
        words += ["-d", shlex.quote(json.dumps(sample, ensure_ascii=False))]
    return " ".join(words)


def _sample(schema: Schema, schemas: Schema) -> object:
    """Return a minimal value that is valid for the schema."""
    match schema:
        case {"$ref": reference}:
            return _sample(schemas[_name(reference)], schemas)
        case {"examples": [first, *_]} | {"const": first} | {"enum": [first, *_]} | {"default": first}:
            return first
        case {"type": "object"}:
            parts: Sequence[Schema] = (schema, *schema.get("anyOf", ())[:1])
            names = [name for part in parts for name in part.get("required", ())]
            return {name: _sample(schema["properties"][name], schemas) for name in names}
        case {"anyOf": [first, *_]} | {"oneOf": [first, *_]}:
            return _sample(first, schemas)
        case {"type": "array"}:
            return [_sample(schema["items"], schemas)]
        case {"type": "integer" | "number"}:
            return schema.get("minimum", 0)
        case {"type": "boolean"}:
            return True
        case _:
            return _SAMPLES.get(schema.get("format") or schema.get("x-format", ""), _ELLIPSIS)


def _schema_names(*bodies: Schema) -> tuple[str, ...]:
    schemas = (media.get("schema", {}) for body in bodies for media in body.get("content", {}).values())
    return tuple(dict.fromkeys(name for schema in schemas for name in _referenced_names(schema)))


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _referenced_names(schema: Schema) -> Iterator[str]:
    """Yield the names of the schemas that this one is or may be, without those nested in them."""
    if "$ref" in schema:
        yield _name(schema["$ref"])
    for kind in ("anyOf", "oneOf"):
        for alternative in schema.get(kind, ()):
            yield from _referenced_names(alternative)


def _limits(schema: Schema) -> list[str]:
    """Return the constraints on the values, in words."""
    return [text.format(_plain(schema[key])) for key, text in _LIMITS.items() if key in schema]


def _plain(value: object) -> str:
    """Return a value as in JSON, but text without quotes and whole numbers without a fraction."""
    if isinstance(value, str):
        return value
    is_whole = isinstance(value, float) and value.is_integer()
    return f"{value:.0f}" if is_whole else json.dumps(value, ensure_ascii=False)


def _paragraphs(text: str) -> list[list[tuple[str, bool]]]:
    """Split a text into paragraphs, and each of them into pieces: the text, and whether it is code."""
    return [list(split_code(" ".join(paragraph.split()))) for paragraph in text.split("\n\n") if paragraph.strip()]


def split_code(paragraph: str) -> Iterator[tuple[str, bool]]:
    """Split a paragraph of Markdown into pieces: the text, and whether it is code."""
    end = 0
    for match in _CODE.finditer(paragraph):
        yield paragraph[end : match.start()], False
        yield match[2], True
        end = match.end()
    yield paragraph[end:], False


# Unlike for the other pages, undefined variables render as nothing: most members of a description are optional.
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters.update(
    limits=_limits, named=_referenced_names, plain=_plain, paragraphs=_paragraphs, schema_name=_name
)
