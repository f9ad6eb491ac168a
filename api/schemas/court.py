"""The court's state and credentials: bodies of the request and of the answers."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import ConfigDict, Field

from api.schemas.base import Body, RequestBody, Token, UtcTime
from domain.court import CourtState, TokenReport, Verdict
from domain.errors import FailureCode


class CourtAvailability(StrEnum):
    """Whether the court answers."""

    ANSWERING = "answering"
    UNAVAILABLE = "unavailable"


class TokenSource(StrEnum):
    """Where the token in use comes from."""

    STORED = "stored"
    FILE = "file"
    ENVIRONMENT = "environment"


class CandidateState(StrEnum):
    """The state of credentials that are newer than those in use."""

    PENDING = "pending"
    REFUSED = "refused"


class CredentialsBody(RequestBody):
    """Credentials for the court: a token, a refresh token, or both."""

    model_config = ConfigDict(
        # Not anyOf with each of them required: generators make types without a name of that.
        json_schema_extra={"minProperties": 1, "examples": [{"token": "header.payload.signature"}]}
    )

    token: Token | None = Field(None, description="The access token, with or without `Bearer` before it.")
    refresh_token: Token | None = Field(None, description="With it, the service renews the token by itself.")


class CourtFailureBody(Body):
    """Why the court does not answer."""

    code: FailureCode
    answer: str = Field(description="The court's last answer.")


class TokenBody(Body):
    """The token in use, without the token itself."""

    source: TokenSource | None = Field(description="Null if there is no token.")
    expires_at: UtcTime | None = Field(description="When the token expires. Null if it does not say.")
    renewable: bool = Field(description="Whether the service renews it by itself.")
    rejected: bool = Field(description="Whether the court has rejected it.")
    candidate: CandidateState | None = Field(
        description="State of newer credentials: `pending` if they have not been tried yet, `refused` if the court "
        "refused them. Null if there are none."
    )


class CourtStatusBody(Body):
    """What the deployment knows of the court."""

    status: CourtAvailability
    since: UtcTime | None
    failure: CourtFailureBody | None
    probes: int = Field(description="Number of failed probes since then.")
    next_probe_at: UtcTime | None
    credentials: TokenBody

    @classmethod
    def of(cls, state: CourtState, token: TokenReport, candidate: Verdict | None) -> Self:
        """Return the body.

        Args:
            state: The circuit breaker's state.
            token: The token in use.
            candidate: The verdict on newer credentials, if there are any.
        """
        failure = None
        if state.failure_code:
            failure = CourtFailureBody(code=state.failure_code, answer=state.answer)
        return cls(
            status=CourtAvailability.UNAVAILABLE if failure else CourtAvailability.ANSWERING,
            since=state.since,
            failure=failure,
            probes=state.probes if failure else 0,
            next_probe_at=state.next_probe_at,
            credentials=TokenBody(
                source=TokenSource(token.source) if token.source else None,
                expires_at=token.expires_at,
                renewable=token.renewable,
                rejected=token.rejected,
                candidate=_candidate_state(candidate),
            ),
        )


def _candidate_state(verdict: Verdict | None) -> CandidateState | None:
    match verdict:
        case Verdict.PENDING:
            return CandidateState.PENDING
        case Verdict.REFUSED:
            return CandidateState.REFUSED
        case _:
            return None
