"""`autos erase` and `autos hold`."""

from __future__ import annotations

from tests.support.cli_commands import run_autos
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def test_a_process_is_held_released_erased_and_allowed_again(erasure_stack: RunningStack) -> None:
    stack = erasure_stack
    number = await stack.create_ended_run(2)

    held = await run_autos(stack, "hold", number, "--reason", "evidence")
    shown = await run_autos(stack, "hold", number, "--show", "--json")
    refused = await run_autos(stack, "erase", number, "--yes")
    released = await run_autos(stack, "hold", "--release", number)
    unasked = await run_autos(stack, "erase", number)
    erased = await run_autos(stack, "erase", number, "--yes", "--reason", "the mandate has ended")
    gone = await run_autos(stack, "status", number)
    again = await run_autos(stack, "erase", "--allow-again", number, "--json")

    assert f"{number}: legal hold since " in held.stdout
    assert "reason: evidence" in held.stdout
    assert shown.json_lines[0]["held"] is True
    assert (refused.exit_code, refused.stdout) == (7, "")
    assert "process_held" in refused.stderr
    assert released.stdout == f"{number}: no legal hold\n"
    # Its standard input is no terminal.
    assert (unasked.exit_code, unasked.stdout) == (2, "")
    assert "--yes" in unasked.stderr
    assert erased.exit_code == 0, erased.stderr
    assert f"{number}: erased " in erased.stdout
    assert "documents 2, " in erased.stdout
    assert "reason: the mandate has ended" in erased.stdout
    assert (gone.exit_code, gone.stdout) == (7, "")
    assert "process_erased" in gone.stderr
    assert again.json_lines[0]["blocking"] is False


async def test_what_cannot_be_erased_or_held_is_refused(erasure_stack: RunningStack) -> None:
    unknown = fresh_number()
    for command in (
        ("erase", unknown, "--yes"),
        ("erase", "--allow-again", unknown),
        ("hold", unknown),
        ("hold", unknown, "--show"),
        ("hold", unknown, "--release"),
    ):
        result = await run_autos(erasure_stack, *command)
        assert (result.exit_code, result.stdout) == (3, ""), command
    for contradiction in (("erase", "--allow-again", unknown, "--yes"), ("hold", unknown, "--show", "--release")):
        assert (await run_autos(erasure_stack, *contradiction)).exit_code == 2
