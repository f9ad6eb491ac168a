"""Processes with several instances and sources."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


@pytest.mark.parametrize(
    ("shape", "total"),
    [
        ({"documents": 9, "second_instance_documents": 15}, 24),
        ({"documents": 173, "second_source": True, "size_bytes": 1_000}, 173),
    ],
    ids=["two degrees", "two sources"],
)
async def test_documents_of_every_instance_are_downloaded_once(
    stack: RunningStack, shape: dict[str, Any], total: int
) -> None:
    number = fresh_number()
    await stack.create_process(number, **shape)
    await stack.request_download(number)

    status = await stack.wait_until_ended(number)

    documents = await stack.list_documents(number)
    assert (status["status"], status["available_documents"], len(documents)) == ("completed", total, total)
    degrees = [document["instance"]["degree"] for document in documents]
    second = shape.get("second_instance_documents", 0)
    assert (degrees.count("G1"), degrees.count("G2")) == (total - second, second)
    sources = {len(document["sources"]) for document in documents}
    assert sources == {2 if shape.get("second_source") else 1}
