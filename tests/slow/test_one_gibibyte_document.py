"""A document of one gibibyte whose worker is killed half-way through the upload."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import httpx2
import pytest

from adapters.storage import PART_BYTES
from tests.support.buckets import open_bucket
from tests.support.court_documents import digest_of_only_document
from tests.support.numbers import fresh_number
from tests.support.stack import running_stack

SIZE_BYTES = 1024**3


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_gibibyte_is_stored_although_its_worker_dies(tmp_path: Path) -> None:
    number = fresh_number()
    async with running_stack(tmp_path) as stack, open_bucket(stack) as bucket:
        await stack.create_process(number, 1, size_bytes=SIZE_BYTES)
        await stack.request_download(number)
        await bucket.wait_until_half_uploaded(number, parts=SIZE_BYTES // PART_BYTES // 2)
        stack.kill_service("worker")

        assert (await stack.wait_until_ended(number, seconds=300))["status"] == "completed"

        (document,) = await stack.list_documents(number)
        digest = await asyncio.to_thread(digest_of_only_document, number, SIZE_BYTES)
        assert (document["size_bytes"], document["sha256"]) == (SIZE_BYTES, digest)
        assert await bucket.list_uploads(number) == []
        downloaded = hashlib.sha256()
        async with (
            httpx2.AsyncClient(timeout=60) as client,
            client.stream("GET", document["download_url"]) as answer,
        ):
            async for chunk in answer.aiter_bytes():
                downloaded.update(chunk)
        assert downloaded.hexdigest() == digest
