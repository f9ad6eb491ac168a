"""The court: its state, and new credentials for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from pydantic import SecretStr

from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from api.schemas.court import CourtStatusBody, CredentialsBody
from domain.clients import Client
from domain.court import Credentials, Verdict
from domain.errors import ConfigurationError, InvalidInput
from domain.serializers import format_timestamp
from domain.tokens import read_token, token_expiry

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.temporal.monitor_client import MonitorClient

_VERDICT_SECONDS = 5.0
_POLL_SECONDS = 0.1

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CourtService:
    """Reads the court's state, and takes new credentials for it."""

    catalog: Catalog
    monitor: MonitorClient

    async def get_status(self) -> CourtStatusBody:
        """Return what the catalog knows. The court is not asked."""
        state, token = await self.catalog.court_state.read_state_and_token()
        return CourtStatusBody.of(state, token, await self.catalog.candidate_credentials.get_verdict())

    async def update_credentials(self, client: Client, body: CredentialsBody) -> CourtStatusBody:
        """Store credentials. They are used if the court accepts them or if there are no good ones.

        Raises:
            InvalidInput: The body has no token, or one that is malformed or has expired.
            Problem: The credentials cannot be stored because no encryption key is set, or the court refuses them.
            DependencyUnavailable: The database or Temporal does not answer.
        """
        credentials = _read_credentials(body)
        try:
            version = await self.catalog.candidate_credentials.propose(credentials)
        except ConfigurationError as error:
            raise Problem(ProblemCode.SECRET_KEY_MISSING, str(error)) from None
        await self.monitor.request_check()
        if version is not None and await self._wait_for_verdict(version) is Verdict.REFUSED:
            raise Problem(
                ProblemCode.CREDENTIALS_REFUSED,
                "The court refuses these credentials and accepts those in use, which stay in use.",
            )
        status = await self.get_status()
        _log.info("court credentials updated", client=client.name, renewable=status.credentials.renewable)
        return status

    async def _wait_for_verdict(self, version: int) -> Verdict | None:
        """Wait a few seconds for the verdict on new credentials, and return it."""
        deadline = asyncio.get_running_loop().time() + _VERDICT_SECONDS
        while True:
            verdict = await self.catalog.candidate_credentials.get_verdict(version)
            if verdict is not Verdict.PENDING or asyncio.get_running_loop().time() > deadline:
                return verdict
            await asyncio.sleep(_POLL_SECONDS)


def _read_credentials(body: CredentialsBody) -> Credentials:
    if body.token is None and body.refresh_token is None:
        raise InvalidInput("Send token, refresh_token, or both.", field="token")
    token = _read_token(body.token, field="token")
    refresh = _read_token(body.refresh_token, field="refresh_token")
    credentials = Credentials(
        access_token=token,
        refresh_token=refresh,
        expires_at=token_expiry(token) if token else None,
        refresh_expires_at=token_expiry(refresh) if refresh else None,
    )
    for field, expires_at in (("token", credentials.expires_at), ("refresh_token", credentials.refresh_expires_at)):
        if expires_at is not None and expires_at <= datetime.now(UTC):
            raise InvalidInput(
                f"{field} expired at {format_timestamp(expires_at)}. Sign in at the court and send the new one.",
                code="credentials_expired",
                field=field,
            )
    return credentials


def _read_token(secret: SecretStr | None, *, field: str) -> str | None:
    return None if secret is None else read_token(secret.get_secret_value(), field=field)
