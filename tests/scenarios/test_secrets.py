"""That the search for secrets, which ends every session of scenarios, would find some."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.leaks import files_of, leaks_in
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("court answered eyJhbGciOiJI.eyJleHAiOjE3.c2lnbmF0dXJl", "a token"),
        ("GET https://s3/autos/x?X-Amz-Signature=00", "a signed link"),
        ("{'Authorization': 'Bearer x'}", "an Authorization header"),
        ("the key is hunter2-hunter2", "secret_key"),
    ],
)
def test_a_secret_in_a_file_is_found(tmp_path: Path, written: str, found: str) -> None:
    path = tmp_path / "worker.log"
    path.write_bytes(b"\0\xff" + written.encode() + b"\n")
    assert f"worker.log holds {found}" in leaks_in(path, {"secret_key": b"hunter2-hunter2"})


async def test_the_search_sees_logs_catalog_and_histories(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 2)
    await stack.request(number)
    await stack.ended(number)

    naming = {path.name.partition(".db")[0] for path in files_of(stack) if number.encode() in path.read_bytes()}

    assert {"autos", "temporal", "stderr.log"} <= naming
