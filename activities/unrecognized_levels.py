"""Levels of secrecy that the court states and nobody understands: told to the operator, each once."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

# A court that states ever new ones fills neither the memory nor the log.
_MOST_VALUES = 1000

_log = structlog.get_logger()


class UnrecognizedLevels:
    """Logs each value once for as long as the service lives."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def log(self, values: Iterable[str]) -> None:
        """Log the values that were not logged before.

        Args:
            values: each with its type, printable and cut short.
        """
        for value in values:
            if value not in self._logged and len(self._logged) < _MOST_VALUES:
                self._logged.add(value)
                _log.warning("secrecy level not recognized", value=value, treated_as="sealed")
