"""The report: a table for people, JSON for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.measurement import ROUNDS, Figure, Round
from benchmarks.rows import Result


def print_table(results: Sequence[Result]) -> None:
    """Print the results as a table."""
    table = Table(box=box.MARKDOWN)
    for heading in ("what", "ours", "baseline", "ratio", "budget", "met"):
        table.add_column(heading, overflow="fold")
    for result in results:
        median = result.median
        table.add_row(
            result.row.what,
            str(median.ours),
            f"{median.baseline} ({result.row.against})" if median.baseline else "",
            f"{median.score:.2f} ×" if median.baseline else "",
            str(result.row.budget),
            "yes" if result.met else "NO",
        )
    console = Console(width=None if Console().is_terminal else 200)
    console.print(table)
    console.print(
        f"The round with the median ratio, of {ROUNDS}. Each round measures the service and its baseline in turn. "
        f"{_machine()['cpus']} CPUs, Python {_machine()['python']}.",
        highlight=False,
    )


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """Return the results as one JSON object, with every round."""
    return {
        "machine": _machine(),
        "rounds": ROUNDS,
        "chosen": "the round whose ratio is the median",
        "rows": [
            {
                "name": result.row.name,
                "what": result.row.what,
                "against": result.row.against,
                **_round(result.median),
                "budget": result.row.budget.limit,
                "budget_is": "at_most" if result.row.budget.at_most else "at_least",
                "met": result.met,
                "rounds": [_round(measured) for measured in result.rounds],
            }
            for result in results
        ],
    }


def _machine() -> dict[str, Any]:
    return {"cpus": os.cpu_count(), "python": platform.python_version(), "load_average": os.getloadavg()[0]}


def _round(measured: Round) -> dict[str, Any]:
    return {
        "ours": _figure(measured.ours),
        "baseline": _figure(measured.baseline),
        "ratio": round(measured.score, 4) if measured.baseline else None,
    }


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    value = {"value": round(figure.value, 3), "unit": figure.unit}
    return value if figure.p99 is None else value | {"p99": round(figure.p99, 3)}
