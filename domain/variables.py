"""Texts of environment variables: lists in them, and what is said of invalid ones."""

from __future__ import annotations

from collections.abc import Iterable


def split_list(text: str) -> tuple[str, ...]:
    """Return the parts of a comma-separated list, without blanks around them and without empty ones."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def describe_problems(problems: Iterable[tuple[tuple[int | str, ...], str]]) -> str:
    """Return one text for all invalid settings, with the variable of each.

    Args:
        problems: The path to each value, which is empty if it concerns several, and what is wrong with it.
    """
    return "; ".join(
        ": ".join(part for part in ("AUTOS_" + "_".join(map(str, path)).upper() if path else "", message) if part)
        for path, message in problems
    )
