"""Runs a table of checks: those that do not need each other at the same time, each with a time limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from adapters.logs import redact
from cli.doctor.findings import CheckName, Fault, Finding, State, failed, skipped
from cli.doctor.parts import Parts
from domain.errors import AutosError, ConfigurationError, DependencyUnavailable, InvalidInput, StorageFailure

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Check:
    """A check.

    Attributes:
        name: Its name.
        run: Makes the check. An error of ours that it raises is a failure.
        remedy: What to do if the part does not answer.
        needs: Checks without whose success it is skipped.
        after: Checks that it waits for, however they end.
        seconds: Its time limit.
    """

    name: CheckName
    run: Callable[[Parts], Awaitable[Finding]]
    remedy: str
    needs: Sequence[CheckName] = ()
    after: Sequence[CheckName] = ()
    seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Result:
    """A check's finding.

    Attributes:
        seconds: How long the check took.
        blocked_by: The check whose failure is the reason that this one was skipped.
    """

    name: CheckName
    finding: Finding
    seconds: float = 0.0
    blocked_by: CheckName | None = None


async def run_checks(checks: Sequence[Check], parts: Parts) -> AsyncGenerator[Result, None]:
    """Run the checks concurrently, and yield each result as soon as all before it in the table are there.

    Args:
        checks: The table. A check needs only checks that come before it.
        parts: What they look at.
    """
    tasks: dict[CheckName, asyncio.Task[Result]] = {}
    for check in checks:
        tasks[check.name] = asyncio.create_task(_run_in_turn(check, parts, dict(tasks)))
    try:
        for task in tasks.values():
            yield await task
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


def blocked(name: CheckName, by: CheckName) -> Result:
    """Return the result of a check that was not made, because another one has failed."""
    return Result(name, skipped(f"It needs {by}, which failed."), blocked_by=by)


async def _run_in_turn(check: Check, parts: Parts, earlier: Mapping[CheckName, asyncio.Task[Result]]) -> Result:
    for name in check.needs:
        needed = await earlier[name]
        if needed.finding.state is State.FAILED or needed.blocked_by is not None:
            return blocked(check.name, needed.blocked_by or name)
        if needed.finding.state is State.SKIPPED:
            return Result(check.name, skipped(f"It needs {name}, which was skipped."))
    for name in check.after:
        await earlier[name]
    started = time.monotonic()
    finding = await _run(check, parts)
    # Addresses in the settings may hold a password.
    finding = replace(finding, found=redact(finding.found), remedy=redact(finding.remedy))
    parts.states[check.name] = finding.state
    return Result(check.name, finding, round(time.monotonic() - started, 3))


async def _run(check: Check, parts: Parts) -> Finding:
    try:
        async with asyncio.timeout(check.seconds):
            return await check.run(parts)
    except AutosError as error:
        return finding_of(error, check.remedy)
    except TimeoutError:
        return failed(f"There was no answer within {check.seconds:.0f} seconds.", check.remedy)
    except Exception as error:  # noqa: BLE001 - a defect of one check must not hide what the others find.
        _log.critical("check failed by itself", check=check.name, exc_info=error)
        return failed(
            f"The check itself is defective ({type(error).__name__}): it says nothing about this part.",
            "Report it, with the lines on standard error.",
            Fault.DEFECT,
        )


def finding_of(error: AutosError, remedy: str) -> Finding:
    """Return the failure that an error is.

    Args:
        error: Its text names what was found, that of a `StorageFailure` the remedy too.
        remedy: What to do if the part does not answer.
    """
    found, fault = str(error), Fault.PART
    if isinstance(error, StorageFailure) and error.advice is not None:
        found, remedy = found.removesuffix(f" {error.advice}"), error.advice
        if "set AUTOS_" in remedy:
            fault = Fault.SETTING
    elif isinstance(error, ConfigurationError | InvalidInput):
        # Its text says what to set.
        remedy, fault = "Correct the setting or the right that is named.", Fault.SETTING
    elif isinstance(error, DependencyUnavailable) and error.place:
        found = f"{found} {error.place}"
    return failed(found, remedy, fault)
