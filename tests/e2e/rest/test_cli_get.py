"""`autos get`."""

from __future__ import annotations

import hashlib
import signal
from pathlib import Path

from tests.support.cli_commands import run_autos, start_autos, wait_for_command
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.ports import bound_socket
from tests.support.stack import RunningStack


def names_in(folder: Path) -> set[str]:
    """Return the names in a folder."""
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


async def test_get_saves_the_documents_in_a_folder_for_each_process(stack: RunningStack, tmp_path: Path) -> None:
    numbers = [fresh_number(), fresh_number()]
    for number in numbers:
        await stack.create_process(number, 3)
    digits = numbers[1].replace("-", "").replace(".", "")

    first = await run_autos(stack, "get", numbers[0], "-", "-o", tmp_path, "--json", stdin=f"{digits}\n# end\n")
    again = await run_autos(stack, "get", *numbers, "-o", tmp_path)

    assert (first.exit_code, first.stderr) == (0, "")
    by_number = {each["process_number"]: each for each in first.json_lines}
    assert sorted(by_number) == sorted(numbers)
    for number, reported in by_number.items():
        assert (reported["status"], reported["complete"], len(reported["saved"])) == ("completed", True, 3)
        for file in reported["saved"]:
            content = (tmp_path / number / file["file"]).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file["size_bytes"], file["sha256"])
    assert (again.exit_code, again.stderr) == (0, "")
    assert again.stdout.count("3 of 3 documents") == again.stdout.count("(0 new)") == 2


async def test_get_reads_numbers_with_a_byte_order_mark(stack: RunningStack, tmp_path: Path) -> None:
    number = fresh_number()
    await stack.create_process(number, 1)

    saved = await run_autos(stack, "get", "-", "-o", tmp_path, "--json", stdin=f"\ufeff{number}\r\n")
    (tmp_path / "numbers.txt").write_bytes(f"Processo n\xba {number}\r\n".encode("utf-16"))
    again = await run_autos(stack, "get", "-i", tmp_path / "numbers.txt", "-o", tmp_path, "--json")

    assert (saved.exit_code, saved.stderr) == (again.exit_code, again.stderr) == (0, "")
    assert [each["process_number"] for each in (*saved.json_lines, *again.json_lines)] == [number, number]


async def test_get_names_missing_documents_and_exits_with_a_code(stack: RunningStack, tmp_path: Path) -> None:
    partial, unknown = fresh_number(), fresh_number()
    await stack.create_process(partial, 3)
    await stack.inject_fault("sealed", partial, documents=[1])
    await stack.create_process(unknown, 0, exists=False)

    one = await run_autos(stack, "get", partial, "-o", tmp_path)
    both = await run_autos(stack, "get", partial, unknown, "-o", tmp_path, "--json")

    assert one.exit_code == 6
    assert "partial, 2 of 3 documents" in one.stdout
    assert "sealed" in one.stderr
    assert both.exit_code == 3
    by_number = {each["process_number"]: each for each in both.json_lines}
    assert (by_number[partial]["status"], len(by_number[partial]["failed"])) == ("partial", 1)
    assert (by_number[unknown]["status"], by_number[unknown]["failure"]["code"]) == ("failed", "not_found")
    assert names_in(tmp_path) == {partial, unknown}


async def test_get_refuses_a_wrong_number_and_downloads_nothing(stack: RunningStack, tmp_path: Path) -> None:
    good, wrong = fresh_number(), "1011745-78.2025.8.11.0041"

    refused = await run_autos(stack, "get", good, wrong, "-o", tmp_path)

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "1011745-77.2025.8.11.0041" in refused.stderr
    assert (await stack.api.get(f"/processes/{good}")).status_code == 404
    assert names_in(tmp_path) == set()
    assert (await run_autos(stack, "get", "-i", tmp_path / "missing")).exit_code == 2
    assert (await run_autos(stack, "get")).exit_code == 2


async def test_get_without_an_api_prints_one_line(stack: RunningStack, tmp_path: Path) -> None:
    with bound_socket() as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    arguments = ("get", fresh_number(), "-o", tmp_path)
    failed = await run_autos(stack, *arguments, "--patience", "0", AUTOS_PUBLIC_URL=url)
    patient = await run_autos(stack, *arguments, "--patience", "2s", AUTOS_PUBLIC_URL=url)

    assert (failed.exit_code, failed.stdout) == (5, "")
    assert failed.stderr.startswith(f"autos: No API answers at {url}/")
    assert failed.stderr.count("\n") == 1
    assert patient.exit_code == 5
    assert patient.stderr.splitlines() == [
        f"The API at {url} does not answer (ConnectError). Trying again for 2 s.",
        failed.stderr.strip(),
    ]


async def test_interrupted_get_has_saved_what_was_available_and_goes_on_when_repeated(
    stack: RunningStack, tmp_path: Path
) -> None:
    held, other, complete = fresh_number(), fresh_number(), fresh_number()
    for number in (held, other, complete):
        await stack.create_process(number, 6)
    await stack.request_download(complete)
    await stack.wait_until_ended(complete)
    fault = await stack.inject_fault("codex_error", held, documents=[1])
    arguments = ("get", held, other, complete, "-o", tmp_path, "--jobs", "1", "--json")
    command = await start_autos(stack, *arguments)

    async def has_saved_others() -> bool:
        return len(names_in(tmp_path / held)) == 5

    # The first run is open, and what it has is saved. The second one was started with it, before its turn came.
    await eventually(has_saved_others, "five files during the run")
    assert (await stack.get_status(held))["status"] == "processing"
    assert (await stack.wait_until_ended(other))["status"] == "completed"
    assert names_in(tmp_path) == {held}
    command.send_signal(signal.SIGINT)
    interrupted = await wait_for_command(command)
    await stack.end_fault(fault)
    again = await run_autos(stack, *arguments)

    assert (interrupted.exit_code, interrupted.stdout) == (130, "")
    assert "The service goes on downloading 2 processes; nothing is lost." in interrupted.stderr
    assert f"autos get {held} {other} {complete} -o {tmp_path} --jobs 1 --json" in interrupted.stderr
    assert (again.exit_code, again.stderr) == (0, "")
    assert [(each["complete"], len(each["saved"]), len(each["skipped"])) for each in again.json_lines] == [
        (True, 1, 5),
        (True, 6, 0),
        (True, 6, 0),
    ]
    assert {name for name in names_in(tmp_path / held) if name.endswith(".part")} == set()


async def test_documents_that_a_cancelled_run_has_left_are_not_still_to_come(
    stack: RunningStack, tmp_path: Path
) -> None:
    number = fresh_number()
    await stack.create_process(number, 3)
    fault = await stack.inject_fault("codex_error", number, documents=[1])
    arguments = ("get", number, "-o", tmp_path)
    command = await start_autos(stack, *arguments)

    async def has_saved_others() -> bool:
        return len(names_in(tmp_path / number)) == 2

    await eventually(has_saved_others, "two files during the run")
    cancelled = await run_autos(stack, "cancel", number)
    ended = await wait_for_command(command)
    await stack.end_fault(fault)
    again = await run_autos(stack, *arguments)

    assert (cancelled.exit_code, ended.exit_code) == (0, 6)
    assert ended.stderr == f"{number}: 1 document is missing, and no run is open. The same command starts one.\n"
    assert (again.exit_code, again.stderr) == (0, "")


async def test_get_starts_many_processes_as_a_batch(stack: RunningStack, tmp_path: Path) -> None:
    numbers = [fresh_number() for _ in range(21)]
    for number in numbers:
        await stack.create_process(number, 1)

    saved = await run_autos(stack, "get", "-", "-o", tmp_path, "--jobs", "8", "-q", stdin="\n".join(numbers))

    assert (saved.exit_code, saved.stdout, saved.stderr) == (0, "", "")
    assert {number: len(names_in(tmp_path / number)) for number in numbers} == dict.fromkeys(numbers, 2)


async def test_batch_prints_each_line_and_list_prints_the_processes(stack: RunningStack, tmp_path: Path) -> None:
    good, wrong = fresh_number(), "1011745-78.2025.8.11.0041"
    await stack.create_process(good, 2)
    (tmp_path / "numbers.txt").write_text(f"{good}\n# a comment\n{wrong}\n")

    waited = await run_autos(stack, "batch", tmp_path / "numbers.txt", "--wait", "--json")
    shown = await run_autos(stack, "batch", "-", stdin=good)
    listed = await run_autos(stack, "list", "--status", "completed", "--limit", "0", "-q")
    table = await run_autos(stack, "list", "--limit", "1")

    assert waited.exit_code == 6
    assert [(each["given"], each["state"]) for each in waited.json_lines] == [
        (good, "completed"),
        (wrong, "invalid"),
    ]
    assert shown.exit_code == 0
    assert good in shown.stdout
    assert good in listed.stdout.splitlines()
    assert table.stdout.splitlines()[0].split() == ["PROCESS", "COURT", "STATUS", "DOCUMENTS", "SIZE", "REQUESTED"]
    assert (len(table.stdout.splitlines()), table.stderr) == (2, "There are more: --limit 0 shows all.\n")
