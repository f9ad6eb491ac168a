"""The address of a collector that takes OTLP over HTTP, and whether it answers there."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote

import requests

from adapters.logs import log_cause
from domain.errors import ConfigurationError, DependencyUnavailable

_TRACES_PATH = "/v1/traces"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CHECK_SECONDS = 5.0
_REFUSALS = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Collector:
    """Where spans are sent.

    Attributes:
        url: Where a batch of spans is posted.
        headers: Sent with every batch. They may hold a key.
    """

    url: str
    headers: dict[str, str] = field(repr=False)

    @classmethod
    def parse(cls, endpoint: str, headers: str | None) -> Self:
        """Return the collector at a base URL, or at the URL for traces, with headers as `name=value,name=value`.

        Values may be percent-encoded, as OpenTelemetry's own variables have them.

        Raises:
            ConfigurationError: A header cannot be sent.
        """
        base = endpoint.rstrip("/").removesuffix(_TRACES_PATH)
        return cls(base + _TRACES_PATH, dict(map(_parse_header, filter(str.strip, (headers or "").split(",")))))

    async def check(self) -> None:
        """Send a batch without spans, in the way in which the exporter sends.

        Raises:
            DependencyUnavailable: The collector does not answer, or not as one of OTLP over HTTP.
            ConfigurationError: It refuses the headers.
        """
        status = await asyncio.to_thread(self._post_nothing)
        if status in _REFUSALS:
            raise ConfigurationError(f"The collector refuses us (HTTP {status}).")
        if not 200 <= status < 300:
            raise DependencyUnavailable("collector", f"The collector does not take spans (HTTP {status}).")

    def _post_nothing(self) -> int:
        try:
            return requests.post(
                self.url,
                b"",
                headers={"Content-Type": "application/x-protobuf", **self.headers},
                timeout=_CHECK_SECONDS,
                allow_redirects=False,
            ).status_code
        except (requests.RequestException, UnicodeError) as error:
            log_cause(error, "collector")
            raise DependencyUnavailable(
                "collector", f"The collector does not answer ({type(error).__name__})."
            ) from None


def _parse_header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    name, value = name.strip(), unquote(value.strip())
    if not separator or not _HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
        # Not the text: it may be a key.
        raise ConfigurationError(
            "AUTOS_OTLP_HEADERS must be name=value, several separated by commas, with values percent-encoded."
        )
    return name, value
