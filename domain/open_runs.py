"""Runs that Temporal has open, and what a request to start one leads to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.completeness import Decision, Phase
from domain.errors import AutosError


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that Temporal has open.

    Attributes:
        id: Id of its first execution. It stays the same over every continue-as-new and every reset.
        client: Name of the client that started it.
        chosen_documents: How many documents it is for. None means all, and 0 that they are only listed.
    """

    id: str
    started_at: datetime
    phase: Phase
    client: str = ""
    chosen_documents: int | None = None


@dataclass(frozen=True, slots=True)
class StartedRun:
    """The result of asking for a run.

    Attributes:
        decision: ``started``, or ``active`` if an open run was joined.
        run: The run.
        document_ids: The documents it was started for. Empty means all documents, or that an open run was joined.
    """

    decision: Decision
    run: OpenRun
    document_ids: tuple[str, ...] = ()


class RunAlreadyAnswered(AutosError):
    """Raised instead of starting a run: another run ended meanwhile and did all that was asked for."""


class NoOpenRun(AutosError):
    """Raised when an act needs an open run and the process has none."""


class RunIsFinishing(AutosError):
    """Raised when an act comes too late: the open run is finishing."""
