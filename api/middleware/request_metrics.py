"""Count and duration of every request."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.services.metrics import Metrics


class RequestMetrics:
    """Middleware that counts requests and measures the time to the start of the answer: streams may last hours."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count it when its answer starts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at = time.perf_counter()
        answered = False

        async def send_counted(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start" and not answered:
                answered = True
                self._metrics.count_request(scope, message["status"], time.perf_counter() - started_at)
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        except Exception:
            # The answer to a bug is written outside this middleware.
            if not answered:
                self._metrics.count_request(scope, 500, time.perf_counter() - started_at)
            raise
