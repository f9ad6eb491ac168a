"""A gzip bomb instead of a listing: its run fails with a code, and other runs do not wait for it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import psutil

from tests.support.hostile_listings import MIB, gzip_bomb
from tests.support.numbers import fresh_number
from tests.support.portal_json import NUMBER, details, piece, stage
from tests.support.scripted_server import ReceivedRequest, answer, by_path, scripted
from tests.support.stack import running_stack

PROCESSES = "/api/v2/processos"
DOCUMENT = "0f1e2d3c-4b5a-5678-9abc-def012345678"


async def test_a_gzip_bomb_fails_its_own_run_alone(tmp_path: Path) -> None:
    hostile = fresh_number()
    text = b"<div>" + b"Vistos. " * 200 + b"</div>"
    document = piece(DOCUMENT, nome="Despacho.html", arquivo={"tipo": "text/html", "tamanho": len(text)})
    replies = {
        f"{PROCESSES}?": answer(200, b'{"content": [{}]}'),
        f"{PROCESSES}/{hostile}": answer(200, gzip_bomb(b" ", 250), content_encoding="gzip"),
        f"{PROCESSES}/{NUMBER}/documentos": answer(200, text, content_type="text/html"),
        f"{PROCESSES}/{NUMBER}": answer(200, json.dumps(details(stage(document))).encode()),
    }
    scripted_reply, other_ended = by_path(replies), asyncio.Event()
    bombs = 0

    async def reply(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        nonlocal bombs
        if request.target == f"{PROCESSES}/{hostile}":
            bombs += 1
            if bombs == 3:
                # So that the run of the last bomb is open when the other one ends.
                await other_ended.wait()
        await scripted_reply(request, writer)

    async with (
        scripted(reply) as court,
        running_stack(
            tmp_path,
            AUTOS_COURT_BASE_URL=court.origin,
            AUTOS_COURT_TOKEN="a-token",
            AUTOS_COURT_REQUESTS_PER_SECOND="100",
        ) as stack,
    ):
        worker = psutil.Process(stack.addresses["pids"]["worker"])
        before = worker.memory_info().rss

        await stack.request_download(hostile)
        await stack.request_download(NUMBER)
        other = await stack.wait_until_ended(NUMBER)
        meanwhile = await stack.get_status(hostile)
        other_ended.set()
        failed = await stack.wait_until_ended(hostile)
        grown = worker.memory_info().rss - before

    assert (other["status"], other["available_documents"]) == ("completed", 1)
    assert meanwhile["status"] == "processing"
    assert (failed["status"], failed["failure"]["code"]) == ("failed", "invalid_listing")
    assert Counter(court.targets)[f"{PROCESSES}/{hostile}"] == 3
    assert grown < 100 * MIB
