"""How the doctor runs its checks: dependencies, time limits, defects and exit codes."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from autos_client_cli.errors import ExitCode
from cli.doctor.checks import CHECKS
from cli.doctor.command import exit_code, format_line, to_json
from cli.doctor.findings import CheckName, Fault, Finding, State, failed, ok, skipped, warning
from cli.doctor.parts import Parts
from cli.doctor.runner import Check, Result, run_checks
from domain.errors import ConfigurationError, DependencyUnavailable, StorageFailure
from settings import Settings

CORRECT = "Correct the setting or the right that is named."


async def run(*checks: Check) -> dict[CheckName, Finding]:
    """Run a table of checks, and return what they found."""
    async with AsyncExitStack() as stack:
        parts = Parts(Settings(), None, stack)
        return {result.name: result.finding async for result in run_checks(checks, parts)}


def check_that_finds(name: CheckName, finding: Finding | Exception, *needs: CheckName) -> Check:
    """Return a check with this result."""

    async def find(_: Parts) -> Finding:
        if isinstance(finding, Exception):
            raise finding
        return finding

    return Check(name, find, "Repair it.", needs=needs)


def test_every_check_is_in_the_table_once_and_needs_earlier_ones() -> None:
    names = [check.name for check in CHECKS]
    assert names == list(CheckName)
    for place, check in enumerate(CHECKS):
        assert {*check.needs, *check.after} <= set(names[:place])


async def test_a_skipped_check_names_the_failure_at_the_root() -> None:
    found = await run(
        check_that_finds(CheckName.DATABASE, failed("away", "start it")),
        check_that_finds(CheckName.SCHEMA, ok("never asked"), CheckName.DATABASE),
        check_that_finds(CheckName.CIRCUITS, ok("never asked"), CheckName.SCHEMA),
        check_that_finds(CheckName.DISK, ok("fine")),
    )
    assert found[CheckName.CIRCUITS] == skipped("It needs database, which failed.")
    assert found[CheckName.DISK] == ok("fine")


async def test_a_check_runs_after_a_warning_and_not_after_a_skipped_one() -> None:
    found = await run(
        check_that_finds(CheckName.CIRCUITS, warning("open", "wait")),
        check_that_finds(CheckName.COURT, skipped("no token"), CheckName.CIRCUITS),
        check_that_finds(CheckName.COURT_TOKEN, ok("never asked"), CheckName.COURT),
    )
    assert found[CheckName.COURT] == skipped("no token")
    assert found[CheckName.COURT_TOKEN] == skipped("It needs court, which was skipped.")


async def test_independent_checks_run_at_the_same_time() -> None:
    met = asyncio.Barrier(2)

    async def meet(_: Parts) -> Finding:
        await met.wait()
        return ok("met")

    found = await run(*(Check(name, meet, "") for name in (CheckName.DATABASE, CheckName.BUCKET)))
    assert {*found.values()} == {ok("met")}


async def test_a_check_that_takes_too_long_has_failed() -> None:
    async def hang(_: Parts) -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    found = await run(Check(CheckName.TEMPORAL, hang, "Start it.", seconds=0.01))
    assert found[CheckName.TEMPORAL].state is State.FAILED
    assert found[CheckName.TEMPORAL].remedy == "Start it."


async def test_a_defect_of_a_check_is_a_failure_of_that_check_only() -> None:
    found = await run(
        check_that_finds(CheckName.CLOCK, KeyError("a-secret-word")), check_that_finds(CheckName.DISK, ok("fine"))
    )
    assert found[CheckName.CLOCK].fault is Fault.DEFECT
    assert "KeyError" in found[CheckName.CLOCK].found
    assert "a-secret-word" not in str(found)
    assert found[CheckName.DISK] == ok("fine")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConfigurationError("X is wrong."), failed("X is wrong.", CORRECT, Fault.SETTING)),
        (DependencyUnavailable("database", "Away."), failed("Away.", "Repair it.")),
        (
            StorageFailure("No bucket. Please set AUTOS_S3_BUCKET.", advice="Please set AUTOS_S3_BUCKET."),
            failed("No bucket.", "Please set AUTOS_S3_BUCKET.", Fault.SETTING),
        ),
        (StorageFailure("Full. Free space.", advice="Free space."), failed("Full.", "Free space.")),
        (
            ConfigurationError("postgresql://u:word@h/d"),
            failed("postgresql://***@h/d", CORRECT, Fault.SETTING),
        ),
    ],
)
async def test_an_error_of_ours_is_a_failure(error: Exception, expected: Finding) -> None:
    assert await run(check_that_finds(CheckName.DATABASE, error)) == {CheckName.DATABASE: expected}


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([ok("a"), warning("b", "c"), skipped("d")], ExitCode.OK),
        ([failed("a", "b"), ok("c")], ExitCode.UNAVAILABLE),
        ([failed("a", "b"), failed("c", "d", Fault.SETTING)], ExitCode.USAGE),
        ([failed("a", "b", Fault.DEFECT)], ExitCode.UNEXPECTED),
        ([failed("a", "b", Fault.DEFECT), failed("c", "d")], ExitCode.UNAVAILABLE),
    ],
)
def test_exit_codes(findings: list[Finding], expected: ExitCode) -> None:
    results = [Result(name, finding) for name, finding in zip(CheckName, findings, strict=False)]
    assert exit_code(results) is expected
    assert to_json(results)["ok"] is (expected is ExitCode.OK)


def test_output() -> None:
    result = Result(CheckName.SCHEMA, failed("It is old\x1b[31m.", "Run `autos migrate`."), 0.25)
    assert format_line(result) == "failed   schema             It is old\ufffd[31m. -> Run `autos migrate`."
    assert json.loads(json.dumps(to_json([result]))) == {
        "ok": False,
        "checks": [
            {
                "name": "schema",
                "state": "failed",
                "found": "It is old\x1b[31m.",
                "remedy": "Run `autos migrate`.",
                "seconds": 0.25,
            }
        ],
    }
