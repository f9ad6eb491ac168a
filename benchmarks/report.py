"""The report: JSON for programs, and the same as Markdown for people and for the README."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from benchmarks.machine import machine_text
from benchmarks.measurement import Budget, Effort, Figure, Round, format_value, median_parts
from benchmarks.report_words import ENGLISH, Words
from benchmarks.rows import ROWS, Result, Row


def as_json(results: Sequence[Result], effort: Effort, machine: dict[str, Any], *, quick: bool) -> dict[str, Any]:
    """Return the results as one JSON object, with every round. Rows without a result say what measures them."""
    by_name = {result.row.name: result for result in results}
    return {
        "machine": machine,
        "rounds": effort.rounds,
        "quick": quick,
        "chosen": "the round whose ratio is the median",
        "rows": [
            _result(by_name[row.name]) if row.name in by_name else _unmeasured(row, quick=quick) for row in ROWS
        ],
    }


def merge(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the first report with the rows that only later ones have measured."""
    merged = dict(reports[0])
    for report in reports[1:]:
        measured = {row["name"]: row for row in report["rows"] if row["measured"]}
        merged["rows"] = [row if row["measured"] else measured.get(row["name"], row) for row in merged["rows"]]
    return merged


def render(report: dict[str, Any], words: Words = ENGLISH, *, most_parts: float = math.inf) -> str:
    """Return a report as Markdown: the table of budgets, the tables of parts, and the machine.

    Args:
        report: What ``--json`` prints.
        words: Its language.
        most_parts: Leave out tables of more parts than this.
    """
    rows = [[words.row(row["name"], row["what"]), *_cells(row, words)] for row in report["rows"]]
    blocks = [_table(words.headings, rows)]
    for row in report["rows"]:
        if row["measured"] and row["parts_are"] and len(row["parts"]) <= most_parts:
            blocks.append(f"{words.row(row['name'], row['what'])}, {words.parts(row['parts_are'])}:")
            blocks.append(_table(words.part_headings, [_part_cells(part, words) for part in row["parts"]]))
    blocks.append(words.footer.format(rounds=report["rounds"], machine=machine_text(report["machine"])))
    if report["quick"]:
        blocks.append(words.quick)
    return "\n\n".join(blocks)


def all_met(report: dict[str, Any]) -> bool:
    """Return whether every row that was measured meets its budget."""
    return all(row["met"] for row in report["rows"] if row["measured"])


def _result(result: Result) -> dict[str, Any]:
    scores = [measured.score for measured in result.rounds]
    return {
        "name": result.row.name,
        "what": result.row.what,
        "against": result.row.against,
        "measured": True,
        **_round(result.median),
        "spread": [round(min(scores), 4), round(max(scores), 4)],
        **_budget(result.row.budget),
        "met": result.met,
        "rounds": [_round(measured) for measured in result.rounds],
        "parts_are": result.row.parts,
        "parts": [
            {
                "name": part.name,
                "ours": _figure(part.ours),
                "baseline": _figure(part.baseline),
                "ratio": None if part.ratio is None else round(part.ratio, 4),
                "spread": [round(lowest, 4), round(highest, 4)],
            }
            for part, lowest, highest in median_parts(result.rounds)
        ],
    }


def _unmeasured(row: Row, *, quick: bool) -> dict[str, Any]:
    return {
        "name": row.name,
        "what": row.what,
        "against": row.against,
        "measured": False,
        "command": row.command or ("make bench" if quick else f"python -m benchmarks --only {row.name}"),
        **_budget(row.budget),
    }


def _budget(budget: Budget) -> dict[str, Any]:
    return {
        "budget": budget.limit,
        "budget_is": "at_most" if budget.at_most else "at_least",
        "budget_unit": budget.unit,
    }


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


def _cells(row: dict[str, Any], words: Words) -> list[str]:
    """Return the cells of a row behind the first."""
    budget = Budget(row["budget"], at_most=row["budget_is"] == "at_most", unit=row["budget_unit"])
    limit = words.number(str(budget))
    if not row["measured"]:
        return ["", "", "", "", limit, f"{words.not_measured}: `{row['command']}`"]
    baseline = _figure_text(row["baseline"], words)
    unit = "×" if row["baseline"] else row["ours"]["unit"]
    return [
        _figure_text(row["ours"], words),
        f"{baseline} ({words.against(row['name'], row['against'])})" if baseline else "",
        words.number(format_value(row["ratio"], "×")) if row["baseline"] else "",
        _spread_text(row["spread"], unit, words),
        limit,
        words.met if row["met"] else words.missed,
    ]


def _part_cells(part: dict[str, Any], words: Words) -> list[str]:
    unit = "×" if part["baseline"] else part["ours"]["unit"]
    return [
        words.part(part["name"]),
        _figure_text(part["ours"], words),
        _figure_text(part["baseline"], words),
        words.number(format_value(part["ratio"], "×")) if part["baseline"] else "",
        _spread_text(part["spread"], unit, words),
    ]


def _figure_text(figure: dict[str, Any] | None, words: Words) -> str:
    if figure is None:
        return ""
    return words.number(str(Figure(figure["value"], words.unit(figure["unit"]), figure.get("p99"))))


def _spread_text(spread: Sequence[float], unit: str, words: Words) -> str:
    lowest, highest = (words.number(format_value(value, words.unit(unit))) for value in spread)
    return (
        f"{lowest.rsplit(' ', len(words.unit(unit).split()))[0]} – {highest}" if unit else f"{lowest} – {highest}"
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns are as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join(
        [line(headings), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)]
    )
