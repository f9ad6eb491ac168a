"""``python -m benchmarks``: measure and print. Exits with 0 if it could measure, even if a budget is missed."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys

import httpx2

from adapters.logs import configure_logging
from benchmarks.bench import open_bench
from benchmarks.measurement import CannotMeasure
from benchmarks.report import as_json, print_table
from benchmarks.rows import ROWS, Result
from devstack.hard_exit import hard_exit
from domain.errors import AutosError


async def measure(names: list[str]) -> list[Result]:
    """Measure the rows with these names. Empty means all rows."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    print("Starting a local stack …", file=sys.stderr, flush=True)
    results: list[Result] = []
    async with open_bench() as bench:
        for row in ROWS:
            if not names or row.name in names:
                print(f"{row.name}: {row.what}; baseline: {row.against}", file=sys.stderr, flush=True)
                results.append(Result(row, await row.measure(bench)))
    return results


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the budgets.")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with every round")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", choices=[row.name for row in ROWS], help="only these rows"
    )
    arguments = parser.parse_args()
    configure_logging("auto", "warning")
    try:
        results = asyncio.run(measure(arguments.only))
    except (CannotMeasure, AutosError, httpx2.HTTPError, TimeoutError, OSError) as error:
        print(f"Could not measure: {str(error) or type(error).__name__}", file=sys.stderr)
        hard_exit(1)
    except (KeyboardInterrupt, asyncio.CancelledError):
        hard_exit(130)
    if arguments.json:
        print(json.dumps(as_json(results)))
    else:
        print_table(results)
    hard_exit(0)


if __name__ == "__main__":
    main()
