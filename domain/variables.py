"""Texts of environment variables: lists in them, and what is said of invalid ones."""

from __future__ import annotations

from collections.abc import Iterable

# Variables that are no settings: read by the commands, by the local stack for its programs, and by Compose.
_OTHER_VARIABLES = frozenset({"AUTOS_DOMAIN", "AUTOS_LANG", "AUTOS_TEMPORAL_BIN", "AUTOS_WEED_BIN"})


def split_list(text: str) -> tuple[str, ...]:
    """Return the parts of a comma-separated list, without blanks around them and without empty ones."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_list(value: object) -> object:
    """Return the parts of a comma-separated list. What is no text is returned as it is."""
    return split_list(value) if isinstance(value, str) else value


def find_unknown(names: Iterable[str], *, fields: Iterable[str]) -> list[str]:
    """Return the ``AUTOS_*`` variables among these names that nothing reads.

    Args:
        names: Names of variables.
        fields: The names of the settings.
    """
    known = {f"AUTOS_{field}".upper() for field in fields} | _OTHER_VARIABLES
    return sorted(name for name in names if name.startswith("AUTOS_") and name not in known)


def describe_problems(problems: Iterable[tuple[tuple[int | str, ...], str]]) -> str:
    """Return one text for all invalid settings, with the variable of each.

    Args:
        problems: The path to each value, which is empty if it concerns several, and what is wrong with it.
    """
    return "; ".join(
        ": ".join(part for part in ("AUTOS_" + "_".join(map(str, path)).upper() if path else "", message) if part)
        for path, message in problems
    )
