"""Log secrecy levels that the court states and the service does not recognize, each once."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

# A court that states ever new values must fill neither the memory nor the log.
_MAX_VALUES = 1000

_log = structlog.get_logger()


class UnrecognizedSecrecyLog:
    """Logs each value once in the lifetime of the worker."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def log(self, values: Iterable[str]) -> None:
        """Log the values that have not been logged before.

        Args:
            values: Each with its type, printable and truncated.
        """
        for value in values:
            if value not in self._logged and len(self._logged) < _MAX_VALUES:
                self._logged.add(value)
                _log.warning("secrecy level not recognized", value=value, treated_as="sealed")
