"""What the service says that keeps its work from going on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autos_client.models import RunWarning

# The API's code for a queue that no worker serves.
_NO_WORKER = "no_worker"


class ServiceWarnings:
    """Prints each warning once, and remembers whether a worker was at work when the service last said so.

    Args:
        print_line: Prints a line.
    """

    def __init__(self, print_line: Callable[[str], None]) -> None:
        """Start without warnings."""
        self._print_line = print_line
        self._told: set[str] = set()
        self.lacks_worker = False

    def note(self, warnings: Sequence[RunWarning], *, about: str) -> None:
        """Take the warnings of the newest answer about work that is not finished.

        Args:
            warnings: Empty means that the work goes on.
            about: What the answer is about, such as a process number.
        """
        self.lacks_worker = any(warning.code == _NO_WORKER for warning in warnings)
        for warning in warnings:
            # Not by the code: each queue without a worker has a warning of its own.
            if warning.detail not in self._told:
                self._told.add(warning.detail)
                self._print_line(f"{about}: {warning.detail} ({warning.code})")
