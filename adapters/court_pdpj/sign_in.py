"""Renewing the token at the court's sign-in service, a Keycloak. Signing in itself takes a person."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import httpx

from adapters.court_pdpj.answers import Subject, failure_of
from adapters.court_pdpj.bodies import ACCEPT_ENCODING, beginning
from adapters.court_pdpj.bounded_json import UnreadableBody
from adapters.court_pdpj.pace import Pace
from domain.court import Credentials
from domain.errors import CourtFailure, FailureCode
from domain.tokens import token_expiry

_TIMEOUT = httpx.Timeout(30, connect=10)
_STALL_SECONDS = 30.0
# Two tokens take some kilobytes.
_LONGEST_ANSWER = 256 * 1024
_ERROR_WORD = re.compile(r"[a-z_]{1,40}")
_LONGEST_SECONDS = 10 * 365 * 86_400


class SignIn:
    """The court's sign-in service.

    Args:
        realm_url: the realm's address, such as ``https://sso.cloud.pje.jus.br/auth/realms/pje``.
        client_id: the name under which the portal's own pages are known there.
        pace: asked before each request.
    """

    def __init__(self, realm_url: str, client_id: str, *, pace: Pace) -> None:
        self._token_url = f"{realm_url.rstrip('/')}/protocol/openid-connect/token"
        self._client_id = client_id
        self._pace = pace
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def renew(self, refresh_token: str) -> Credentials:
        """Trade a refresh token for a new pair. It serves once: keep the new one before using the other.

        Raises:
            CourtFailure: ``credentials_rejected`` if a person must sign in again; any other code if the service
                does not renew now.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": self._client_id}
        await self._pace.take()
        try:
            async with self._http.stream("POST", self._token_url, data=form, headers=ACCEPT_ENCODING) as response:
                body = await beginning(response, _LONGEST_ANSWER, _STALL_SECONDS)
        except (httpx.HTTPError, TimeoutError, UnreadableBody) as error:
            raise CourtFailure(
                FailureCode.COURT_UNAVAILABLE, f"No whole answer from the sign-in ({type(error).__name__})."
            ) from None
        renewed = _renewed(_object(body), refresh_token) if response.status_code == 200 else None
        if renewed is None:
            raise _failure(response, body)
        return renewed


def _renewed(granted: dict[str, object], old_refresh_token: str) -> Credentials | None:
    access, refresh = granted.get("access_token"), granted.get("refresh_token", old_refresh_token)
    if not isinstance(access, str) or not isinstance(refresh, str) or not access or not refresh:
        return None
    return Credentials(
        access_token=access,
        refresh_token=refresh,
        expires_at=token_expiry(access) or _from_now(granted.get("expires_in")),
        # Keycloak writes 0 for a refresh token without an end.
        refresh_expires_at=token_expiry(refresh) or _from_now(granted.get("refresh_expires_in")),
    )


def _from_now(seconds: object) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _LONGEST_SECONDS:
        return None
    return datetime.now(UTC) + timedelta(seconds=seconds)


def _failure(response: httpx.Response, body: bytes) -> CourtFailure:
    status = response.status_code
    error = _object(body).get("error")
    if error == "invalid_grant":
        return CourtFailure(
            FailureCode.CREDENTIALS_REJECTED,
            "The sign-in takes the refresh token no longer: a person must sign in again and hand in new tokens.",
            status=status,
        )
    if status in (400, 401) and isinstance(error, str):
        word = error if _ERROR_WORD.fullmatch(error) else "an error of its own"
        # Our name there may be wrong, or the service in trouble: the refresh token may still be good.
        return CourtFailure(
            FailureCode.COURT_UNAVAILABLE,
            f"The sign-in refuses the renewal ({word}); see AUTOS_COURT_CLIENT_ID and AUTOS_COURT_SSO_URL.",
            status=status,
        )
    meant = failure_of(status, response.headers, body[:4096], Subject.PROCESS)
    known = (FailureCode.COURT_THROTTLED, FailureCode.COURT_BLOCKED)
    code = meant.code if meant.code in known else FailureCode.COURT_UNAVAILABLE
    answer = f"The sign-in answers HTTP {status} without tokens."
    return CourtFailure(code, answer, status=status, retry_after=meant.retry_after)


def _object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
