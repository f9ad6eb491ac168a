"""Who has signed in: a cookie that stands for an API key, and who may send it.

The cookie holds the key itself, sealed, with an end: nothing is stored here, every API process can read it, and a
key that is revoked is refused at the very next request, as if it had been sent in the open.
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
from api.problem_codes import ProblemCode
from api.problems import Problem
from domain.errors import ConfigurationError

if TYPE_CHECKING:
    from adapters.sealing import Seal

COOKIE = "autos_session"
LIFETIME_SECONDS = 12 * 3600
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Apart from whatever else the same seal closes: a sealed token of the court is no session.
_KIND = "session"


class Sessions:
    """Gives out sessions, and finds the key behind one.

    Args:
        seal: closes the cookies; without one nobody can sign in.
        public_url: where browsers reach the API; under https the cookie goes over https alone.
    """

    def __init__(self, seal: Seal | None, public_url: str) -> None:
        self._seal = seal
        self._origins = Origins(public_url)
        self._secure = urlsplit(public_url).scheme == "https"

    @property
    def possible(self) -> bool:
        """Whether anybody can sign in: not without ``AUTOS_SECRET_KEY``."""
        return self._seal is not None

    def begin(self, response: Response, key: str) -> None:
        """Have the browser stand for this key for twelve hours, or until it signs out.

        Raises:
            Problem: 409, there is nothing to seal with.
        """
        if self._seal is None:
            raise Problem(ProblemCode.SECRET_KEY_MISSING, "Set AUTOS_SECRET_KEY; without it nobody can sign in.")
        content = json.dumps({"kind": _KIND, "key": key, "ends": int(time.time()) + LIFETIME_SECONDS})
        response.set_cookie(
            COOKIE,
            self._seal.close(content),
            max_age=LIFETIME_SECONDS,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    def end(self, response: Response) -> None:
        """Have the browser forget its session."""
        response.delete_cookie(COOKIE, path="/", secure=self._secure, httponly=True, samesite="strict")

    def key_of(self, request: Request) -> str | None:
        """The key behind a request's cookie; none without a session, or if it has ended or is not ours.

        Raises:
            Problem: 403, the request would change something and does not come from a page of ours: a browser adds
                its cookies to whatever page sends a request.
        """
        cookie = request.cookies.get(COOKIE)
        key = self._open(cookie) if cookie else None
        if key is not None and _may_change_something(request):
            self.require_own_page(request)
        return key

    def require_own_page(self, request: Request) -> None:
        """Raise unless the browser says that a page of this API has sent the request.

        Raises:
            Problem: 403, another page has, or the browser does not say which.
        """
        # Browsers say so over https and to this machine; elsewhere they name the page's origin.
        if self._origins.sender(request) is not Sender.OWN_PAGE:
            raise Problem(
                ProblemCode.FOREIGN_HOST, "A page elsewhere cannot act in the name of who has signed in here."
            )

    def form_token(self, request: Request) -> str:
        """What the forms of this session carry; empty without a session."""
        cookie = request.cookies.get(COOKIE)
        return hmac.new(cookie.encode(), b"form", sha256).hexdigest() if cookie else ""

    def _open(self, cookie: str) -> str | None:
        if self._seal is None:
            return None
        try:
            content = json.loads(self._seal.open(cookie))
        except (ConfigurationError, ValueError):
            # Somebody else's, or sealed with a key that is gone: no session, like no cookie at all.
            return None
        if not isinstance(content, dict) or content.get("kind") != _KIND or content["ends"] <= time.time():
            return None
        key: str = content["key"]
        return key


def _may_change_something(request: Request) -> bool:
    # The one GET that may: SameSite alone would let a neighbour under the same domain have downloads started.
    return request.method not in _SAFE_METHODS or "auto_download" in request.query_params
