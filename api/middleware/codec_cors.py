"""Cross-origin requests to the codec, from the pages of Temporal's UI. No other address allows any."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

CODEC_PREFIX = "/codec/"


class CodecCors:
    """Middleware that lets pages of exactly these origins call the codec, with a key or with a session's cookie.

    Args:
        app: What answers.
        origins: The origins, as browsers write them.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._codec = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["POST"],
            # What the UI sends.
            allow_headers=["Authorization", "Content-Type", "X-Namespace"],
            allow_credentials=True,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer preflight requests to the codec, and pass all others on."""
        is_codec = scope["type"] == "http" and scope["path"].startswith(CODEC_PREFIX)
        await (self._codec if is_codec else self._app)(scope, receive, send)
