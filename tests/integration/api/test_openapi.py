"""The OpenAPI description is complete, and `docs/openapi.json` is up to date."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from api.openapi import dump_description
from settings import load_settings

DESCRIPTION_FILE = Path(__file__).parents[3] / "docs" / "openapi.json"
OPERATIONS = [
    pytest.param(operation, id=f"{method.upper()} {path}")
    for path, methods in json.loads(DESCRIPTION_FILE.read_text())["paths"].items()
    for method, operation in methods.items()
]


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
    names = Counter(operation.values[0]["operationId"] for operation in OPERATIONS)  # type: ignore[index]
    assert max(names.values()) == 1
