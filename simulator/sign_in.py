"""The court's sign-in server (OpenID Connect), of which programs use one grant: refreshing tokens."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from simulator.court import Court
from simulator.tokens import Tokens


def routes(court: Court) -> Mount:
    """Return the routes under ``/auth``."""

    async def post_token(request: Request) -> Response:
        court.stats.refresh_requested()
        form = {key: values[0] for key, values in parse_qs((await request.body()).decode()).items()}
        if "client_id" not in form:
            return _error(401, "invalid_client", "Invalid client or Invalid client credentials")
        match form.get("grant_type"):
            case "refresh_token":
                return _refresh(court.tokens, form.get("refresh_token", ""))
            case "password":
                return _error(400, "unauthorized_client", "Client not allowed for direct access grants")
            case _:
                return _error(400, "unsupported_grant_type", "Unsupported grant_type")

    return Mount("/auth", routes=[Route("/realms/pje/protocol/openid-connect/token", post_token, methods=["POST"])])


def _refresh(tokens: Tokens, refresh_token: str) -> Response:
    grant = tokens.refresh(refresh_token)
    if grant is None:
        return _error(400, "invalid_grant", "Token is not active")
    return JSONResponse(
        {
            "access_token": grant.token,
            "expires_in": grant.expires_in,
            "refresh_expires_in": grant.expires_in,
            "refresh_token": grant.refresh_token,
            "token_type": "Bearer",
            "scope": "openid profile email",
        }
    )


def _error(status: int, error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status_code=status)
