"""The table of budgets: as it is printed, as it stands in the READMEs, and what the exit code says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import choose_rows
from benchmarks.measurement import FULL, Budget, Figure, Part, Round, median_parts
from benchmarks.readme import READMES, split
from benchmarks.report import all_met, as_json, merge, render
from benchmarks.report_words import ENGLISH, PORTUGUESE, Words
from benchmarks.rows import ROWS, Result, Row

MACHINE = {"cpus": 2, "cpu_model": "a processor", "memory_gib": 8, "os": "Linux", "python": "3.11.7"}
BY_NAME = {row.name: row for row in ROWS}


def rounds_of(*ratios: float) -> list[Round]:
    """Return rounds with these ratios, and a service in each that took ten times as many milliseconds."""
    return [
        Round(
            Figure(ratio * 50, "documents/s"),
            Figure(50, "documents/s"),
            (Part("worker", Figure(ratio * 10, "ms of CPU")),),
        )
        for ratio in ratios
    ]


def report_of(**ratios: tuple[float, ...]) -> dict[str, Any]:
    """Return a report that has measured the rows with these names, with underscores in them."""
    results = [Result(BY_NAME[name.replace("_", "-")], rounds_of(*of_row)) for name, of_row in ratios.items()]
    return as_json(results, FULL, MACHINE, quick=False)


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of the first table in a text of Markdown, without the line below its headings."""
    lines = []
    for line in text.strip().splitlines():
        if not line.startswith("|"):
            break
        lines.append([cell.strip() for cell in line.strip("|").split("|")])
    return [lines[0], *lines[2:]]


def test_a_row_shows_the_median_round_and_the_spread_of_all() -> None:
    [_, row, *_] = rows_of(render(report_of(throughput=(0.97, 0.99, 0.90))))
    assert row == [
        "300 documents of 200 kB, court latency 300 ms",
        "48.5 documents/s",
        "50.0 documents/s (bare asyncio loop, 16 workers)",
        "0.97 ×",
        "0.90 – 0.99 ×",
        "≥ 0.95 ×",
        "yes",
    ]


def test_the_parts_of_a_round_have_a_table_of_their_own() -> None:
    text = render(report_of(cpu=(0.6, 0.7, 0.8)))
    assert "300 documents of 200 kB, no latency, CPU time of a document:" in text
    [part] = [line for line in text.splitlines() if line.startswith("| worker ")]
    assert [cell.strip() for cell in part.strip("|").split("|")] == [
        "worker", "7.00 ms of CPU", "", "", "6.00 – 8.00 ms of CPU"
    ]  # fmt: skip


def test_a_row_that_was_not_measured_says_what_measures_it() -> None:
    cells = {row[0]: row[-1] for row in rows_of(render(report_of(cpu=(0.7,))))}
    assert cells[BY_NAME["scale-postgres"].what] == "not measured here: `make bench-scale`"
    assert cells[BY_NAME["memory"].what] == "not measured here: `python -m benchmarks --only memory`"


@pytest.mark.parametrize(("ratio", "holds"), [(0.95, True), (0.94, False)])
def test_one_missed_budget_is_a_failure(ratio: float, *, holds: bool) -> None:
    report = report_of(cpu=(0.7,), throughput=(ratio,))
    assert all_met(report) is holds
    assert (" NO " in render(report)) is not holds


def test_rows_of_a_later_report_fill_the_gaps_of_the_first() -> None:
    merged = merge([report_of(cpu=(0.7,)), report_of(scale_sqlite=(1.1,), cpu=(0.1,))])
    measured = {row["name"]: row.get("ratio") for row in merged["rows"] if row["measured"]}
    assert measured == {"cpu": 0.7, "scale-sqlite": 1.1}


def test_the_spread_of_a_part_with_a_baseline_is_that_of_its_ratio() -> None:
    rounds = [
        Round(Figure(1, "ms"), Figure(1, "ms"), (Part("list", Figure(ours, "ms"), Figure(2, "ms")),))
        for ours in (2, 3, 1)
    ]
    [(part, lowest, highest)] = median_parts(rounds)
    assert (part.ratio, lowest, highest) == (1.0, 0.5, 1.5)


def test_the_budgets_are_those_of_the_design() -> None:
    budgets = {name: row.budget for name, row in BY_NAME.items()}
    assert budgets == {
        "throughput": Budget(0.95),
        "cpu": Budget(0.60),
        "cpu-postgres": Budget(0.60),
        "sequential": Budget(10),
        "answer": Budget(1.5, at_most=True),
        "link": Budget(15, at_most=True, unit="µs"),
        "memory": Budget(150, at_most=True, unit="MiB"),
        "memory-at-once": Budget(150, at_most=True, unit="MiB"),
        "bundle": Budget(2, at_most=True),
        "bundle-memory": Budget(150, at_most=True, unit="MiB"),
        "large-process": Budget(1.15, at_most=True),
        "history": Budget(10_000, at_most=True, unit="events"),
        "watchers": Budget(150, at_most=True, unit="MiB"),
        "scale-sqlite": Budget(1.3, at_most=True),
        "scale-postgres": Budget(1.3, at_most=True),
    }


def test_a_run_takes_all_rows_but_those_with_a_command_of_their_own() -> None:
    def names(rows: list[Row]) -> set[str]:
        return {row.name for row in rows}

    assert names(choose_rows([], quick=False)) == {row.name for row in ROWS if not row.command}
    assert names(choose_rows([], quick=True)) < names(choose_rows([], quick=False))
    assert names(choose_rows(["scale-sqlite"], quick=False)) == {"scale-sqlite"}


@pytest.mark.parametrize(("readme", "words"), READMES.items(), ids=lambda value: getattr(value, "name", ""))
def test_the_readme_has_the_table_that_is_printed(readme: Path, words: Words) -> None:
    _, between, _ = split(readme.read_text())
    [headings, *rows] = rows_of(between)
    assert tuple(headings) == words.headings
    assert [row[0] for row in rows] == [words.row(row.name, row.what) for row in ROWS]
    assert [row[5] for row in rows] == [words.number(str(row.budget)) for row in ROWS]
    ends = (words.met, words.missed)
    assert all(row[6] in ends or row[6].startswith(words.not_measured) for row in rows)


def test_every_row_has_its_words_in_portuguese() -> None:
    assert PORTUGUESE.rows.keys() == BY_NAME.keys()
    assert all(bool(PORTUGUESE.rows[row.name][1]) == bool(row.against) for row in ROWS)
    assert not ENGLISH.rows
