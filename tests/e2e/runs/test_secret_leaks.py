"""The search for leaked secrets, which ends every session of scenarios, finds some when there are some."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.secret_leaks import find_leaks_in_file, list_stack_files
from tests.support.stack import RunningStack


@pytest.mark.parametrize(
    ("text", "leak"),
    [
        ("court answered eyJhbGciOiJI.eyJleHAiOjE3.c2lnbmF0dXJl", "a token"),
        ("GET https://s3/autos/x?X-Amz-Signature=00", "a signed link"),
        ("{'Authorization': 'Bearer x'}", "an Authorization header"),
        ("the key is hunter2-hunter2", "secret_key"),
    ],
)
def test_a_secret_in_a_file_is_found(tmp_path: Path, text: str, leak: str) -> None:
    path = tmp_path / "worker.log"
    path.write_bytes(b"\0\xff" + text.encode() + b"\n")
    assert f"worker.log holds {leak}" in find_leaks_in_file(path, {"secret_key": b"hunter2-hunter2"})


async def test_the_search_covers_logs_catalog_and_histories(stack: RunningStack) -> None:
    number = await stack.create_ended_run(2)

    named = {
        path.name.partition(".db")[0] for path in list_stack_files(stack) if number.encode() in path.read_bytes()
    }

    assert {"autos", "temporal", "stderr.log"} <= named
