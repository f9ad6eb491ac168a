"""Temporal messages about the circuit breakers of the court and the store. Ids and counts only."""

from __future__ import annotations

from dataclasses import dataclass

from domain.errors import FailureCode


@dataclass(frozen=True, slots=True)
class RecoveryState:
    """The state of the court or the store, as a waiting run reads it.

    Attributes:
        answers: Whether it is known to work.
        look_again_seconds: Latest time until the next read. A run that waits for the court is woken earlier.
    """

    answers: bool
    look_again_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class CourtCheckPlan:
    """What the court monitor has to do next.

    Attributes:
        failure_code: Why the court does not answer. None while it answers.
        probe_in_seconds: Delay until the next probe. None while the court answers.
        renew_in_seconds: Delay until the token is renewed. None if it cannot be renewed.
        renew_first: The court refuses the token, and it can be renewed: renew it before the next probe.
        credentials_version: Counts the changes of the stored credentials.
        token_expires_at: When the token expires, for display. Empty if the token does not say.
        candidate_version: Version of new credentials that can be tried now. 0 if there are none.
    """

    failure_code: FailureCode | None = None
    probe_in_seconds: float | None = None
    renew_in_seconds: float | None = None
    renew_first: bool = False
    credentials_version: int = 0
    token_expires_at: str = ""
    candidate_version: int = 0
