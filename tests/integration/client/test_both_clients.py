"""The blocking client and the one for asyncio have the same methods, in modules by resource."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import autos_client


def test_both_clients_have_the_same_methods_and_parameters() -> None:
    def methods(of: type) -> dict[str, inspect.Signature]:
        functions = inspect.getmembers(of, inspect.isfunction)
        return {
            # An iterator is asynchronous in one of them.
            name: inspect.signature(function).replace(return_annotation=None)
            for name, function in functions
            if not name.startswith("_")
        }

    blocking = methods(autos_client.Autos)
    assert blocking == methods(autos_client.AsyncAutos)
    assert {"process", "watch", "batch", "redeliver", "court_status", "close"} <= blocking.keys()


@pytest.mark.parametrize("resource", ["processes", "runs", "batches", "webhooks", "court", "cases"])
def test_a_resource_has_the_same_methods_in_both_clients(resource: str) -> None:
    def methods(package: str) -> list[str]:
        tree = ast.parse((Path(autos_client.__file__).parent / package / f"{resource}.py").read_text())
        return [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert methods("blocking") == methods("asynchronous") != []
