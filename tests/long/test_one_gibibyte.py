"""A document of a gibibyte whose worker is killed half way."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import httpx
import pytest

from adapters.storage import PART_BYTES
from domain.process_number import ProcessNumber
from simulator.case import Shape, case
from tests.support.buckets import bucket_of
from tests.support.numbers import fresh_number
from tests.support.stack import running_stack

SIZE_BYTES = 1024**3


def court_digest(number: str) -> str:
    """The SHA-256 of the one document of a process, as the court makes it."""
    (document,) = case(ProcessNumber.parse(number), Shape(documents=1, size_bytes=SIZE_BYTES)).documents
    digest = hashlib.sha256()
    for piece in document.file().pieces():
        digest.update(piece)
    return digest.hexdigest()


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_gibibyte_survives_its_worker(tmp_path: Path) -> None:
    number = fresh_number()
    async with running_stack(tmp_path) as stack, bucket_of(stack) as bucket:
        await stack.prepare(number, 1, size_bytes=SIZE_BYTES)
        await stack.request(number)
        await bucket.half_way(number, parts=SIZE_BYTES // PART_BYTES // 2)
        stack.kill("worker")

        assert (await stack.ended(number, seconds=300))["status"] == "completed"

        (document,) = await stack.documents(number)
        digest = await asyncio.to_thread(court_digest, number)
        assert (document["size_bytes"], document["sha256"]) == (SIZE_BYTES, digest)
        assert await bucket.uploads(number) == []
        linked = hashlib.sha256()
        async with httpx.AsyncClient() as client, client.stream("GET", document["download_url"]) as answer:
            async for chunk in answer.aiter_bytes():
                linked.update(chunk)
        assert linked.hexdigest() == digest
