"""The runbook's three questions, answered with its own commands on a stack whose court fails."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.paths import ROOT
from tests.support.stack import RunningStack, clean_environment

PAGE = (ROOT / "docs" / "runbook.md").read_text()


def read_commands(heading: str) -> list[str]:
    """Return the code blocks below a heading that need no Docker."""
    [section] = re.findall(rf"^{re.escape(heading)}\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
    return [
        block
        for block in re.findall(r"^```\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        if "docker" not in block
    ]


async def run_commands(stack: RunningStack, commands: str, number: str = "") -> str:
    """Run the page's commands for a process, as pasted after `export NUMBER`. Return what they print."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", commands),
        env=clean_environment(
            NUMBER=number,
            AUTOS_PUBLIC_URL=stack.addresses["api"],
            TEMPORAL_ADDRESS=stack.addresses["temporal"],
            # `autos` and `temporal` are beside this Python.
            PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_the_runbook_finds_the_runs_that_wait_for_the_court(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 2)
    list_runs, show_reason = read_commands("## Which runs wait for the court?")
    await stack.inject_fault("firewall")
    await stack.request_download(number)
    await stack.wait_until_waiting_for_court(number)

    async def lists_run() -> str | None:
        output = await run_commands(stack, list_runs)
        return output if number in output else None

    assert "court_blocked" in await eventually(lists_run, "the run in Temporal's list")
    assert "**waiting_for_court** because of `court_blocked`" in await run_commands(stack, show_reason, number)

    await stack.end_all_faults()
    [probe_now] = [block for block in re.findall(r"^```\n(.*?)^```", PAGE, re.M | re.S) if "--name probe" in block]
    await run_commands(stack, probe_now)
    assert (await stack.wait_until_ended(number))["status"] == "completed"


async def test_the_runbook_says_why_a_document_failed_and_makes_it_retry(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 4)
    [say_why] = read_commands("## Why did this document fail?")
    retry, _request_again, retry_by_code = read_commands("## Make it retry")
    sealed = await stack.inject_fault("sealed", number, documents=[1])
    await stack.request_download(number)
    assert (await stack.wait_until_ended(number))["status"] == "partial"

    reason = await run_commands(stack, say_why, number)
    assert '"code": "sealed"' in reason
    assert "Access Denied" in reason
    assert "3 of 4 documents available" in reason

    await stack.end_fault(sealed)
    assert f"{number}, TJMT: completed" in await run_commands(stack, retry, number)

    # By code, for all processes.
    other = fresh_number()
    await stack.create_process(other, 2)
    await stack.inject_fault("sealed", other, documents=[0])
    await stack.request_download(other)
    assert (await stack.wait_until_ended(other))["status"] == "partial"
    await stack.end_all_faults()
    assert other in await run_commands(stack, retry_by_code)
    assert (await stack.wait_until_ended(other))["status"] == "completed"
