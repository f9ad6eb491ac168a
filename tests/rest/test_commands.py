"""`autos get` and what operators ask and do, against a real service."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autos_client import AsyncAutos, Autos
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.ports import bound_socket
from tests.support.scripted_server import always, answer, scripted
from tests.support.stack import ROOT, RunningStack, clean_environment

CLI = ROOT / "cli.py"


@dataclass(frozen=True)
class Said:
    """What a command printed and ended with."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """What it printed, as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


async def autos(stack: RunningStack, *arguments: str | Path, typed: str = "", **variables: str) -> Said:
    """Run a command beside the stack."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(CLI), *map(str, arguments)),
        cwd=stack.data_dir.parent,
        env=clean_environment(AUTOS_DATA_DIR=str(stack.data_dir), **variables),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(typed.encode())
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


def names_in(folder: Path) -> set[str]:
    """What a folder holds."""
    return {path.name for path in folder.iterdir()}


async def test_documents_come_into_a_folder_for_each_process(stack: RunningStack, tmp_path: Path) -> None:
    numbers = [fresh_number(), fresh_number()]
    for number in numbers:
        await stack.prepare(number, 3)
    digits = numbers[1].replace("-", "").replace(".", "")

    first = await autos(stack, "get", numbers[0], "-", "-o", tmp_path, "--json", typed=f"{digits}\n# end\n")
    again = await autos(stack, "get", *numbers, "-o", tmp_path)

    assert (first.code, first.err) == (0, "")
    assert [each["process_number"] for each in first.objects] == numbers
    for told, number in zip(first.objects, numbers, strict=True):
        assert (told["status"], told["complete"], len(told["saved"])) == ("completed", True, 3)
        for file in told["saved"]:
            content = (tmp_path / number / file["file"]).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file["size_bytes"], file["sha256"])
    assert (again.code, again.err) == (0, "")
    assert again.out.count("3 of 3 documents") == again.out.count("(0 new)") == 2


async def test_numbers_on_standard_input_may_begin_with_a_byte_order_mark(
    stack: RunningStack, tmp_path: Path
) -> None:
    number = fresh_number()
    await stack.prepare(number, 1)

    saved = await autos(stack, "get", "-", "-o", tmp_path, "--json", typed=f"\ufeff{number}\r\n")
    (tmp_path / "numbers.txt").write_bytes(f"Processo n\xba {number}\r\n".encode("utf-16"))
    again = await autos(stack, "get", "-i", tmp_path / "numbers.txt", "-o", tmp_path, "--json")

    assert (saved.code, saved.err) == (again.code, again.err) == (0, "")
    assert [each["process_number"] for each in (*saved.objects, *again.objects)] == [number, number]


async def test_what_is_not_there_is_named_and_decides_the_exit(stack: RunningStack, tmp_path: Path) -> None:
    partial, unknown = fresh_number(), fresh_number()
    await stack.prepare(partial, 3)
    await stack.fault("sealed", partial, documents=[1])
    await stack.prepare(unknown, 0, exists=False)

    some = await autos(stack, "get", partial, "-o", tmp_path)
    none = await autos(stack, "get", partial, unknown, "-o", tmp_path, "--json")

    assert some.code == 6
    assert "partial, 2 of 3 documents" in some.out
    assert "sealed" in some.err
    assert none.code == 3
    assert [(each["status"], len(each["failed"])) for each in none.objects] == [("partial", 1), ("failed", 0)]
    assert none.objects[1]["failure"]["code"] == "not_found"
    assert names_in(tmp_path) == {partial, unknown}


async def test_a_wrong_number_is_named_and_nothing_is_done(stack: RunningStack, tmp_path: Path) -> None:
    good, wrong = fresh_number(), "1011745-78.2025.8.11.0041"

    refused = await autos(stack, "get", good, wrong, "-o", tmp_path)

    assert (refused.code, refused.out) == (2, "")
    assert "1011745-77.2025.8.11.0041" in refused.err
    assert (await stack.api.get(f"/processes/{good}")).status_code == 404
    assert names_in(tmp_path) == set()
    assert (await autos(stack, "get", "-i", tmp_path / "missing")).code == 2
    assert (await autos(stack, "get")).code == 2


async def test_a_process_is_told_of_in_words_and_as_json(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 4)
    await stack.latency(0.2)
    await stack.request(number)

    waited = await autos(stack, "status", number, "--wait", "60", "--json")
    shown = await autos(stack, "status", number)
    unknown = await autos(stack, "status", fresh_number())

    assert [each["status"] for each in waited.objects] == ["completed"]
    assert (shown.code, shown.err) == (0, "")
    assert "4 of 4 documents available" in shown.out
    assert (unknown.code, unknown.out) == (3, "")
    assert "process_unknown" in unknown.err


async def test_without_an_api_one_line_says_so(stack: RunningStack, tmp_path: Path) -> None:
    with bound_socket() as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    told = await autos(stack, "get", fresh_number(), "-o", tmp_path, AUTOS_PUBLIC_URL=url)

    assert (told.code, told.out) == (5, "")
    assert told.err.startswith(f"autos: No API answers at {url}/")
    assert told.err.count("\n") == 1


async def test_both_clients_bring_the_same_from_a_real_service(stack: RunningStack, tmp_path: Path) -> None:
    number = fresh_number()
    await stack.prepare(number, 210, size_bytes=2_000)
    address = str(stack.addresses["api"])

    async with AsyncAutos(address) as several:
        report = await several.download(number, to=tmp_path / "async")
        listed = [each async for each in several.documents(number)]
        one = await several.content(number, listed[0].id)
        told = [each async for each in several.watch(number)]

    def blocking() -> tuple[int, bytes]:
        with Autos(address) as each:
            return len(each.download(number, to=tmp_path / "sync").check().saved), each.content(
                number, listed[0].id
            )

    assert (len(report.saved), report.complete, len(listed)) == (210, True, 210)
    assert await asyncio.to_thread(blocking) == (210, one)
    assert [(each.status, each.ended) for each in told] == [("completed", True)]
    assert hashlib.sha256(one).hexdigest() == listed[0].sha256

    def bytes_of(folder: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}

    assert bytes_of("async") == bytes_of("sync")


async def test_a_run_is_paused_resumed_and_cancelled(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 250)
    await stack.latency(0.4)
    await stack.request(number)
    await stack.reaches(number, 1)

    told = [await autos(stack, act, number, "--json") for act in ("pause", "resume", "cancel")]
    over = await autos(stack, "pause", number)

    assert [each.code for each in told] == [0, 0, 0]
    assert [each.objects[0]["phase"] for each in told[:2]] == ["paused", "downloading"]
    assert told[2].objects[0]["run"]["outcome"] == "cancelled"
    assert (over.code, over.out) == (7, "")
    assert "(HTTP 409, no_open_run)" in over.err


async def test_what_failed_is_listed_and_tried_again_until_nothing_has(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 2)
    sealed = await stack.fault("sealed", number, documents=[1])
    await stack.request(number)
    await stack.ended(number)

    listed = await autos(stack, "failures", "--code", "sealed", "--json")
    shown = await autos(stack, "failures")
    await stack.end_fault(sealed)
    retried = await autos(stack, "retry", number, "--json")
    await stack.ended(number)
    refused = await autos(stack, "retry", number)

    mine = [each for each in listed.objects if each["process_number"] == number]
    assert [(each["failure"]["code"], each["failure"]["retryable"]) for each in mine] == [("sealed", False)]
    assert shown.out.startswith("PROCESS")
    assert number in shown.out
    assert (retried.code, retried.objects[0]["retried_documents"]) == (0, 1)
    assert (refused.code, refused.out) == (7, "")
    assert "nothing_to_retry" in refused.err


async def test_deliveries_are_listed_sent_again_and_their_addresses_switched_on(stack: RunningStack) -> None:
    async with scripted(always(answer(410))) as gone:
        (sent,) = (await autos(stack, "deliveries", "test", gone.origin, "--json")).objects
        assert (sent["event_type"], sent["url"]) == ("webhook.test", gone.origin)

        async def given_up() -> bool:
            listed = (await autos(stack, "deliveries", "--status", "failed", "--json")).objects
            return sent["id"] in {each["id"] for each in listed}

        async def failing() -> dict[str, str]:
            return {
                each["url"]: each["id"]
                for each in (await autos(stack, "deliveries", "endpoints", "--json")).objects
            }

        await eventually(given_up, "the end of it")
        assert gone.origin in (await autos(stack, "deliveries")).out
        endpoint = (await failing())[gone.origin]
        enabled = await autos(stack, "deliveries", "enable", endpoint)
        assert (enabled.code, enabled.out) == (0, f"Events go to {gone.origin} again.\n")
        assert gone.origin not in await failing()

        again = await autos(stack, "deliveries", "redeliver", "--failed-since", sent["created_at"])
        assert (again.code, again.out) == (0, "1 are sent once more.\n")
        await eventually(given_up, "the end of it, again")
        once_more = await autos(stack, "deliveries", "redeliver", sent["id"])
        assert (once_more.code, once_more.out) == (0, f"webhook.test is sent to {gone.origin} once more.\n")
        await eventually(given_up, "the end of it, once more")
        assert {asked.headers["webhook-id"] for asked in gone.requests} == {sent["id"]}
        assert len(gone.requests) == 3
    for wrong in ((), (sent["id"], "--failed-since", "2026-01-01"), ("--failed-since", "yesterday")):
        refused = await autos(stack, "deliveries", "redeliver", *wrong)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
