"""Renewal of the token at the court's sign-in service, a Keycloak. The sign-in itself takes a person."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import httpx2

from adapters.court_pdpj.bodies import ACCEPT_ENCODING, read_beginning
from adapters.court_pdpj.bounded_json import UnreadableBody
from adapters.court_pdpj.connection_errors import describe_connection_error
from adapters.court_pdpj.error_mapping import Resource, map_error_response, parse_json_object
from adapters.court_pdpj.rate_limiter import RequestRateLimiter
from domain.court import Credentials
from domain.errors import CourtFailure, FailureCode
from domain.tokens import token_expiry

_TIMEOUT = httpx2.Timeout(30, connect=10)
_STALL_SECONDS = 30.0
# Two tokens take a few kilobytes.
_MAX_RESPONSE_BYTES = 256 * 1024
_OAUTH_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
_MAX_TTL_SECONDS = 10 * 365 * 86_400


class TokenRefreshClient:
    """Client of the court's sign-in service.

    Args:
        realm_url: The realm's URL, such as ``https://sso.cloud.pje.jus.br/auth/realms/pje``.
        client_id: The OAuth client id of the portal's own pages.
        rate_limiter: Awaited before each request.
    """

    def __init__(self, realm_url: str, client_id: str, *, rate_limiter: RequestRateLimiter) -> None:
        self._token_url = f"{realm_url.rstrip('/')}/protocol/openid-connect/token"
        self._client_id = client_id
        self._rate_limiter = rate_limiter
        self._http = httpx2.AsyncClient(timeout=_TIMEOUT, follow_redirects=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def renew(self, refresh_token: str) -> Credentials:
        """Exchange a refresh token for a new pair of tokens.

        A refresh token can be used once: store the new one before using the new access token.

        Raises:
            CourtFailure: ``credentials_rejected`` if a person must sign in again. Any other code if the service
                does not renew the token now.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": self._client_id}
        await self._rate_limiter.acquire()
        try:
            async with self._http.stream("POST", self._token_url, data=form, headers=ACCEPT_ENCODING) as response:
                body = await read_beginning(response, _MAX_RESPONSE_BYTES, _STALL_SECONDS)
        except (httpx2.HTTPError, TimeoutError, UnreadableBody) as error:
            raise CourtFailure(
                FailureCode.COURT_UNAVAILABLE, describe_connection_error(error, "the sign-in")
            ) from None
        renewed = (
            _parse_credentials(parse_json_object(body), refresh_token) if response.status_code == 200 else None
        )
        if renewed is None:
            raise _map_failure(response, body)
        return renewed


def _parse_credentials(granted: dict[str, object], old_refresh_token: str) -> Credentials | None:
    access, refresh = granted.get("access_token"), granted.get("refresh_token", old_refresh_token)
    if not isinstance(access, str) or not isinstance(refresh, str) or not access or not refresh:
        return None
    return Credentials(
        access_token=access,
        refresh_token=refresh,
        expires_at=token_expiry(access) or _expiry_from(granted.get("expires_in")),
        # Keycloak writes 0 for a refresh token that never expires.
        refresh_expires_at=token_expiry(refresh) or _expiry_from(granted.get("refresh_expires_in")),
    )


def _expiry_from(seconds: object) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _MAX_TTL_SECONDS:
        return None
    return datetime.now(UTC) + timedelta(seconds=seconds)


def _map_failure(response: httpx2.Response, body: bytes) -> CourtFailure:
    status = response.status_code
    error = parse_json_object(body).get("error")
    if error == "invalid_grant":
        return CourtFailure(
            FailureCode.CREDENTIALS_REJECTED,
            "The sign-in no longer accepts the refresh token: a person must sign in again and provide new tokens.",
            status=status,
        )
    if status in (400, 401) and isinstance(error, str):
        shown = error if _OAUTH_ERROR_CODE.fullmatch(error) else "an error of its own"
        # Our client id may be wrong, or the service may have a failure: the refresh token may still be good.
        return CourtFailure(
            FailureCode.COURT_UNAVAILABLE,
            f"The sign-in refuses the renewal ({shown}); see AUTOS_COURT_CLIENT_ID and AUTOS_COURT_SSO_URL.",
            status=status,
        )
    mapped = map_error_response(status, response.headers, body[:4096], Resource.PROCESS)
    passed_on = (FailureCode.COURT_THROTTLED, FailureCode.COURT_BLOCKED)
    code = mapped.code if mapped.code in passed_on else FailureCode.COURT_UNAVAILABLE
    answer = f"The sign-in answers HTTP {status} without tokens."
    return CourtFailure(code, answer, status=status, retry_after=mapped.retry_after)
