"""The OpenAPI description is complete, and `docs/openapi.json` is up to date."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from api.app import create_app
from api.openapi import dump_description
from api.problems.codes import ProblemCode
from settings import load_settings

SIMPLE_TYPES = {"string", "integer", "number", "boolean", "array", "object"}
DESCRIPTION_FILE = Path(__file__).parents[3] / "docs" / "openapi.json"
DESCRIPTION: dict[str, Any] = json.loads(DESCRIPTION_FILE.read_text())
ALL: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
}
OPERATIONS = [pytest.param(operation, id=name) for name, operation in ALL.items()]


def test_openapi_file_is_up_to_date() -> None:
    assert DESCRIPTION_FILE.read_text() == dump_description(create_app(load_settings())), "run `make openapi`"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_has_descriptions_and_response_schemas(operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    for status, response in operation["responses"].items():
        assert "X-Request-Id" in response["headers"]
        if int(status) >= 400:
            assert list(response["content"]) == ["application/problem+json"]
        elif status not in ("204", "304", "307"):
            assert response["content"]


def test_operation_ids_are_unique() -> None:
    names = Counter(operation["operationId"].lower() for operation in ALL.values())
    assert max(names.values()) == 1


def walk(part: Any, *path: str) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield every object in a part of the description, with its path."""
    if isinstance(part, dict):
        yield path, part
        for name, value in part.items():
            if name not in ("example", "examples"):
                yield from walk(value, *path, name)
    elif isinstance(part, list):
        for value in part:
            yield from walk(value, *path, "[]")


def test_names_of_types_are_unique_also_without_regard_to_case() -> None:
    names = Counter(name.lower().replace("_", "") for name in DESCRIPTION["components"]["schemas"])
    assert max(names.values()) == 1
    # FastAPI names a model twice if it is read and written differently.
    assert [name for name in DESCRIPTION["components"]["schemas"] if not name.isalnum()] == []
    titles = {name: schema["title"] for name, schema in DESCRIPTION["components"]["schemas"].items()}
    assert all(name == title for name, title in titles.items())


def test_types_that_generators_would_have_to_invent_names_for_have_names() -> None:
    """No enumeration, object or alternative inside of another schema, except for null and for dictionaries."""
    schemas = DESCRIPTION["components"]["schemas"]
    nested = [(path, part) for path, part in walk(schemas) if len(path) > 1 and path[-1] != "properties"]
    assert [path for path, part in nested if "enum" in part] == []
    assert [path for path, part in nested if "properties" in part] == []
    assert [path for path, part in nested if "title" in part and path[-1] != "discriminator"] == []
    for path, part in walk(DESCRIPTION):
        for kind in ("anyOf", "oneOf"):
            if kind in part and "discriminator" not in part:
                assert [one for one in part[kind] if one != {"type": "null"}] == part[kind][:1], path
                assert len(part[kind]) == 2, path


def test_only_known_formats_and_types_are_used() -> None:
    parts = [part for _, part in walk(DESCRIPTION["components"]["schemas"])] + [
        parameter.get("schema", {}) for operation in ALL.values() for parameter in operation.get("parameters", ())
    ]
    used = {part["format"] for part in parts if isinstance(part.get("format"), str)}
    assert used <= {"date", "date-time", "password"}
    types = {part["type"] for part in parts if isinstance(part.get("type"), str)}
    assert types <= {*SIMPLE_TYPES, "null"}


def test_servers_security_and_tags_are_described() -> None:
    assert DESCRIPTION["servers"] == [{"url": "/", "description": DESCRIPTION["servers"][0]["description"]}]
    own = create_app(load_settings(public_url="https://autos.example/")).openapi()
    assert own["servers"] == [{"url": "https://autos.example"}]
    assert DESCRIPTION["info"]["license"]["identifier"] == "MIT"
    # Generators name their package after it: not as our own client is named.
    assert DESCRIPTION["info"]["title"] == "Autos API"
    tags = {tag["name"]: tag["description"] for tag in DESCRIPTION["tags"]}
    schemes = DESCRIPTION["components"]["securitySchemes"]
    for operation in ALL.values():
        assert all(tags[tag] for tag in operation["tags"])
        assert all(name in schemes for requirement in operation.get("security", ()) for name in requirement)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_response_with_a_body_has_a_valid_example(operation: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            if not media_type.endswith("json"):
                continue
            schema = {**content["schema"], "components": DESCRIPTION["components"]}
            validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
            assert [error.message for error in validator.iter_errors(content["example"])] == [], status
            if int(status) >= 400:
                assert ProblemCode(content["example"]["code"]).status == content["example"]["status"] == int(status)


@pytest.mark.parametrize("path", DESCRIPTION["paths"])
def test_path_parameters_have_the_order_of_the_path(path: str) -> None:
    for operation in DESCRIPTION["paths"][path].values():
        names = [
            parameter["name"] for parameter in operation.get("parameters", ()) if parameter.get("in") == "path"
        ]
        assert names == re.findall(r"{(\w+)}", path)


def test_every_list_that_pages_has_a_link_header() -> None:
    for operation in ALL.values():
        pages = any(parameter.get("name") == "cursor" for parameter in operation.get("parameters", ()))
        assert pages is ("Link" in operation["responses"].get("200", {}).get("headers", {}))
