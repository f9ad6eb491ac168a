"""``python -m benchmarks``: measure and print.

Exits with 0 if all measured budgets hold, with 1 if one does not, and with 2 if something could not be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import httpx2

from adapters.logs import configure_logging
from benchmarks.bench import open_bench
from benchmarks.machine import describe_machine
from benchmarks.measurement import FULL, QUICK, CannotMeasure, Effort
from benchmarks.readme import write_readmes
from benchmarks.report import all_met, as_json, render
from benchmarks.rows import ROWS, Result, Row
from devstack.hard_exit import hard_exit
from domain.errors import AutosError

_MISSED = 1
_CANNOT_MEASURE = 2
_INTERRUPTED = 130


def choose_rows(names: list[str], *, quick: bool) -> list[Row]:
    """Return the rows to measure: those with these names, or all that take no more time than there is."""
    if names:
        return [row for row in ROWS if row.name in names]
    return [row for row in ROWS if not row.command and (row.is_quick or not quick)]


async def measure(rows: list[Row], effort: Effort) -> list[Result]:
    """Measure rows, one after another, on one local stack."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    print("Starting a local stack …", file=sys.stderr, flush=True)
    results: list[Result] = []
    async with open_bench(effort=effort) as bench:
        for row in rows:
            against = f"; baseline: {row.against}" if row.against else ""
            print(f"{row.name}: {row.what}{against}", file=sys.stderr, flush=True)
            results.append(Result(row, await row.measure(bench)))
    return results


def main() -> None:
    """Parse the command line, measure and print."""
    arguments = _parse()
    configure_logging("auto", "warning")
    quick = bool(arguments.quick)
    effort = QUICK if quick else FULL
    try:
        if arguments.readme:
            write_readmes(arguments.readme)
            hard_exit(0)
        machine = describe_machine()
        results = asyncio.run(measure(choose_rows(arguments.only, quick=quick), effort))
    except (CannotMeasure, AutosError, httpx2.HTTPError, TimeoutError, OSError) as error:
        print(f"Could not measure: {str(error) or type(error).__name__}", file=sys.stderr)
        hard_exit(_CANNOT_MEASURE)
    except (KeyboardInterrupt, asyncio.CancelledError):
        hard_exit(_INTERRUPTED)
    machine["load_average_after"] = round(os.getloadavg()[0], 2)
    report = as_json(results, effort, machine, quick=quick)
    print(json.dumps(report) if arguments.json else render(report))
    hard_exit(0 if all_met(report) else _MISSED)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the budgets, as ratios within one run."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, with every round")
    parser.add_argument("--quick", action="store_true", help="a quick look of less than a minute, at some rows")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", choices=[row.name for row in ROWS], help="only these rows"
    )
    parser.add_argument(
        "--readme",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="measure nothing: write what --json has printed into the READMEs. Of several files, the later ones "
        "fill the rows that the first has not measured",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
