"""Sessions: an encrypted cookie with an API key, and the checks against cross-site requests.

The cookie contains the key itself and an expiry. Nothing is stored on the server, every API instance can read it,
and a revoked key is refused at the next request, as if it had been sent in the header.
"""

from __future__ import annotations

import hmac
import json
import time
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from api.origins import Origins, Sender
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from domain.errors import ConfigurationError

if TYPE_CHECKING:
    from adapters.security.encryption import Encryptor

COOKIE = "autos_session"
LIFETIME_SECONDS = 12 * 3600
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Tells a session from other texts encrypted with the same key: an encrypted court token is not a session.
_KIND = "session"


class Sessions:
    """Creates session cookies and reads the key in them.

    Args:
        encryptor: Encrypts the cookies. None means that nobody can sign in.
        public_url: Where browsers reach the API. With https, the cookie is sent over https only.
    """

    def __init__(self, encryptor: Encryptor | None, public_url: str) -> None:
        self._encryptor = encryptor
        self._origins = Origins(public_url)
        self._secure = urlsplit(public_url).scheme == "https"

    @property
    def possible(self) -> bool:
        """Whether signing in is possible. It requires ``AUTOS_SECRET_KEY``."""
        return self._encryptor is not None

    def begin(self, response: Response, key: str) -> None:
        """Begin a session with this key. It lasts twelve hours, or until the browser signs out.

        Raises:
            Problem: 409, there is no encryption key.
        """
        if self._encryptor is None:
            raise Problem(ProblemCode.SECRET_KEY_MISSING, "Nobody can sign in because AUTOS_SECRET_KEY is not set.")
        content = json.dumps({"kind": _KIND, "key": key, "ends": int(time.time()) + LIFETIME_SECONDS})
        response.set_cookie(
            COOKIE,
            self._encryptor.encrypt(content),
            max_age=LIFETIME_SECONDS,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    def end(self, response: Response) -> None:
        """End the browser's session."""
        response.delete_cookie(COOKIE, path="/", secure=self._secure, httponly=True, samesite="strict")

    def key_of(self, request: Request, *, from_trusted_page: bool = False) -> str | None:
        """Return the key in a request's session cookie. None without a valid session.

        Args:
            request: The request.
            from_trusted_page: The caller has checked that the request is from a page that may use the session.

        Raises:
            Problem: 403, the request may change something and is not from a page of this API: browsers add cookies
                to requests from any page (CSRF).
        """
        cookie = request.cookies.get(COOKIE)
        key = self._decrypt(cookie) if cookie else None
        if key is not None and not from_trusted_page and _may_change_state(request):
            self.require_own_page(request)
        return key

    def require_own_page(self, request: Request) -> None:
        """Raise unless the browser states that the request is from a page of this API.

        Raises:
            Problem: 403, it is from another page, or the browser does not state it.
        """
        # Browsers send Sec-Fetch-Site over https and to this machine. Elsewhere they send the page's Origin.
        if self._origins.sender(request) is not Sender.OWN_PAGE:
            raise Problem(
                ProblemCode.FOREIGN_HOST, "A page of another origin may not use the session of this browser."
            )

    def form_token(self, request: Request) -> str:
        """Return the CSRF token for the forms of this session. Empty without a session."""
        cookie = request.cookies.get(COOKIE)
        return hmac.new(cookie.encode(), b"form", sha256).hexdigest() if cookie else ""

    def _decrypt(self, cookie: str) -> str | None:
        if self._encryptor is None:
            return None
        try:
            content = json.loads(self._encryptor.decrypt(cookie))
        except (ConfigurationError, ValueError):
            # Not ours, or encrypted with a key that was removed: the same as no cookie.
            return None
        if not isinstance(content, dict) or content.get("kind") != _KIND or content["ends"] <= time.time():
            return None
        key: str = content["key"]
        return key


def _may_change_state(request: Request) -> bool:
    # One GET starts downloads. SameSite alone would let another subdomain of the same site send it.
    return request.method not in _SAFE_METHODS or "auto_download" in request.query_params
