"""The Python clients, asynchronous and blocking."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from autos_client import AsyncAutos, Autos
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def test_both_clients_download_the_same_files(stack: RunningStack, tmp_path: Path) -> None:
    number = fresh_number()
    await stack.create_process(number, 210, size_bytes=2_000)
    address = str(stack.addresses["api"])

    async with AsyncAutos(address) as client:
        report = await client.download(number, to=tmp_path / "async")
        listed = [each async for each in client.documents(number)]
        content = await client.content(number, listed[0].id)
        statuses = [each async for each in client.watch(number)]

    def use_blocking_client() -> tuple[int, bytes]:
        with Autos(address) as client:
            return len(client.download(number, to=tmp_path / "sync").check().saved), client.content(
                number, listed[0].id
            )

    assert (len(report.saved), report.complete, len(listed)) == (210, True, 210)
    assert await asyncio.to_thread(use_blocking_client) == (210, content)
    assert [(each.status, each.ended) for each in statuses] == [("completed", True)]
    assert hashlib.sha256(content).hexdigest() == listed[0].sha256

    def read_files(folder: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}

    assert read_files("async") == read_files("sync")
