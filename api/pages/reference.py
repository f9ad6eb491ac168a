"""The page for developers: the API's description of itself (OpenAPI), readable without a script.

Everything on it comes from the description; the templates say only how it looks.
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

from api.pages.rendering import PageRoute, page

Schema: TypeAlias = Mapping[str, Any]

_CODE = re.compile(r"(`+)(.+?)\1")
_ELLIPSIS: Final = "…"
# What a schema says of the values that it takes, besides their kind.
_LIMITS: Final = {
    "format": "{}",
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "like {}",
    "writeOnly": "never shown again",
}
_SAMPLES: Final = {
    "cnj-process-number": "1011745-77.2025.8.11.0041",
    "date-time": "2026-01-31T12:00:00Z",
    "webhook-url": "https://example.org/hook",
}

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked of the service, or that it asks of others.

    Attributes:
        anchor: its name in addresses within the page.
        method: the HTTP method.
        address: the path, or what an event is called.
        said: what the description says of it.
        curl: a command that asks for it; none for what the service itself sends.
    """

    anchor: str
    method: str
    address: str
    said: Schema
    curl: str | None = None

    @property
    def callbacks(self) -> tuple[Operation, ...]:
        """What the service sends to an address that a request has named."""
        return tuple(
            operation
            for paths in self.said.get("callbacks", {}).values()
            for address, path in paths.items()
            for operation in _operations(address, path)
        )

    @property
    def headers(self) -> Iterator[tuple[str, Schema, list[str]]]:
        """Each header of the answers, what is said of it, and the statuses that have it."""
        found: dict[str, tuple[Schema, list[str]]] = {}
        for status, answer in self.said["responses"].items():
            for name, header in answer.get("headers", {}).items():
                found.setdefault(name, (header, []))[1].append(status)
        for name, (header, statuses) in found.items():
            yield name, header, statuses

    @property
    def takes(self) -> tuple[str, ...]:
        """The names of the schemas that the body of its request is made of."""
        return _bodies(self.said.get("requestBody", {}))

    @property
    def answers(self) -> tuple[str, ...]:
        """The names of the schemas that its good answers are made of."""
        return _bodies(*(answer for status, answer in self.said["responses"].items() if status < "3"))


@dataclass(frozen=True, slots=True)
class Section:
    """What belongs together."""

    name: str
    description: str
    operations: tuple[Operation, ...]


@router.get("/docs")
async def get_reference(request: Request) -> Response:
    """Everything that the API takes and answers. Anybody may read it, as they may the description."""
    return page(request, "reference", content=_content(request.app))


@lru_cache(maxsize=1)
def _content(app: FastAPI) -> str:
    """The part of the page that is the same for everybody: it is made once, for the description stays as it is."""
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
    )


def _sections(description: Schema) -> tuple[Section, ...]:
    schemas = description["components"]["schemas"]
    operations = [
        operation for path, said in description["paths"].items() for operation in _operations(path, said, schemas)
    ]
    described = {tag["name"]: tag.get("description", "") for tag in description.get("tags", ())}
    tags = dict.fromkeys([*described, *(_tag(operation) for operation in operations)])
    return tuple(
        Section(tag, described.get(tag, ""), tuple(one for one in operations if _tag(one) == tag)) for tag in tags
    )


def _tag(operation: Operation) -> str:
    tag: str = operation.said.get("tags", ["others"])[0]
    return tag


def _operations(address: str, path: Schema, schemas: Schema | None = None) -> Iterator[Operation]:
    for method, said in path.items():
        yield Operation(
            anchor=f"operation-{said['operationId']}",
            method=method.upper(),
            address=address,
            said=said,
            curl=None if schemas is None else _curl(method.upper(), address, said, schemas),
        )


def _curl(method: str, path: str, said: Schema, schemas: Schema) -> str:
    """A command for a shell that knows AUTOS, KEY, and what stands in the path, as variables."""
    url = "$AUTOS" + re.sub(r"\{(\w+)\}", lambda found: f"${found[1].upper()}", path)
    needed = [
        f"{parameter['name']}=${parameter['name'].upper()}"
        for parameter in said.get("parameters", ())
        if parameter["in"] == "query" and parameter.get("required")
    ]
    words = ["curl"]
    if method != "GET":
        words += ["-X", method]
    if any("text/event-stream" in answer.get("content", {}) for answer in said["responses"].values()):
        words += ["-N"]
    if "307" in said["responses"]:
        words += ["-L", "-o", "document"]
    words += [f'"{url}{"?" if needed else ""}{"&".join(needed)}"']
    if said.get("security"):
        words += ["-H", '"Authorization: Bearer $KEY"']
    body = said.get("requestBody", {})
    if body.get("required"):
        sample = _sample(body["content"]["application/json"]["schema"], schemas)
        words += ["-H", "'Content-Type: application/json'"]
        words += ["-d", shlex.quote(json.dumps(sample, ensure_ascii=False))]
    return " ".join(words)


def _sample(schema: Schema, schemas: Schema) -> object:
    """A value that the schema takes, with as little in it as can be."""
    match schema:
        case {"$ref": reference}:
            return _sample(schemas[_name(reference)], schemas)
        case {"examples": [first, *_]} | {"const": first} | {"enum": [first, *_]} | {"default": first}:
            return first
        case {"type": "object"}:
            demands: Sequence[Schema] = (schema, *schema.get("anyOf", ())[:1])
            names = [name for demand in demands for name in demand.get("required", ())]
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
            return _SAMPLES.get(schema.get("format", ""), _ELLIPSIS)


def _bodies(*said: Schema) -> tuple[str, ...]:
    schemas = (media.get("schema", {}) for one in said for media in one.get("content", {}).values())
    return tuple(dict.fromkeys(name for schema in schemas for name in _named(schema)))


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _named(schema: Schema) -> Iterator[str]:
    """The schemas that this one is, or may be; not those within them."""
    if "$ref" in schema:
        yield _name(schema["$ref"])
    for kind in ("anyOf", "oneOf"):
        for one in schema.get(kind, ()):
            yield from _named(one)


def _limits(schema: Schema) -> list[str]:
    """What the values must keep to, in words."""
    return [text.format(_plain(schema[key])) for key, text in _LIMITS.items() if key in schema]


def _plain(value: object) -> str:
    """A value as it stands in JSON; a text as it is, and whole numbers as such."""
    if isinstance(value, str):
        return value
    whole = isinstance(value, float) and value.is_integer()
    return f"{value:.0f}" if whole else json.dumps(value, ensure_ascii=False)


def _paragraphs(text: str) -> list[list[tuple[str, bool]]]:
    """The paragraphs of a text, each as its pieces: the words, and whether they are code."""
    return [list(_pieces(" ".join(paragraph.split()))) for paragraph in text.split("\n\n") if paragraph.strip()]


def _pieces(paragraph: str) -> Iterator[tuple[str, bool]]:
    end = 0
    for found in _CODE.finditer(paragraph):
        yield paragraph[end : found.start()], False
        yield found[2], True
        end = found.end()
    yield paragraph[end:], False


# Most of what a description may say may also be left out: here, what is not there is not shown.
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters.update(limits=_limits, named=_named, plain=_plain, paragraphs=_paragraphs, schema_name=_name)
