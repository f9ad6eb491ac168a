"""The command `autos doctor`: runs the checks and prints them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing

import typer

from adapters.logs import configure_logging
from autos_client_cli.errors import ExitCode
from autos_client_cli.printing import printable
from cli.authorities import check_authorities
from cli.doctor.checks import CHECKS
from cli.doctor.findings import CheckName, Fault, State, failed
from cli.doctor.parts import Parts
from cli.doctor.runner import Result, blocked, run_checks
from domain.errors import ConfigurationError
from domain.serializers import Json
from settings import Settings, load_settings

_NAME_WIDTH = max(map(len, CheckName))
_STATE_WIDTH = max(map(len, State))


async def examine(settings: Settings, webhook_url: str | None = None) -> AsyncGenerator[Result, None]:
    """Run every check, and yield the results in the table's order.

    Args:
        settings: The settings of the service.
        webhook_url: A receiver to reach. None means that of the alerts, if it is set.
    """
    async with (
        AsyncExitStack() as stack,
        aclosing(run_checks(CHECKS, Parts(settings, webhook_url, stack))) as results,
    ):
        async for result in results:
            yield result


async def run(webhook_url: str | None, *, as_json: bool) -> ExitCode:
    """Read the settings, run every check, print what was found, and return the exit code."""
    results = []
    async with aclosing(_examine_configured(webhook_url)) as examination:
        async for result in examination:
            results.append(result)
            if not as_json:
                typer.echo(format_line(result))
    if as_json:
        typer.echo(json.dumps(to_json(results), ensure_ascii=False))
    else:
        counts = Counter(result.finding.state for result in results)
        typer.echo(", ".join(f"{counts[state]} {state}" for state in State if counts[state]) + ".", err=True)
    return exit_code(results)


async def _examine_configured(webhook_url: str | None) -> AsyncGenerator[Result, None]:
    try:
        settings = load_settings()
        check_authorities()
    except ConfigurationError as error:
        unreadable = failed(str(error), "Correct the settings that are named.", Fault.SETTING)
        yield Result(CheckName.SETTINGS, unreadable)
        for check in CHECKS[1:]:
            yield blocked(check.name, CheckName.SETTINGS)
        return
    # What adapters log is in the findings. Only a defect of a check is logged, and causes where they are wanted.
    configure_logging(settings.log_format, "debug" if settings.log_level == "debug" else "critical")
    async with aclosing(examine(settings, webhook_url)) as results:
        async for result in results:
            yield result


def format_line(result: Result) -> str:
    """Return the line for a person: state, name, what was found and what to do."""
    finding = result.finding
    line = f"{finding.state:<{_STATE_WIDTH}}  {result.name:<{_NAME_WIDTH}}  {finding.found}"
    return printable(f"{line} -> {finding.remedy}" if finding.remedy else line)


def to_json(results: Sequence[Result]) -> Json:
    """Return the object that ``--json`` prints."""
    return {
        "ok": exit_code(results) is ExitCode.OK,
        "checks": [
            {
                "name": result.name,
                "state": result.finding.state,
                "found": result.finding.found,
                "remedy": result.finding.remedy or None,
                "seconds": result.seconds,
            }
            for result in results
        ],
    }


def exit_code(results: Sequence[Result]) -> ExitCode:
    """Return the exit code. A wrong setting comes first, because waiting does not mend it."""
    faults = {result.finding.fault for result in results}
    if Fault.SETTING in faults:
        return ExitCode.USAGE
    if Fault.PART in faults:
        return ExitCode.UNAVAILABLE
    return ExitCode.UNEXPECTED if Fault.DEFECT in faults else ExitCode.OK
