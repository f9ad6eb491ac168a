"""How the commands reach the API: its address and key, the client, and API problems as command errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from autos_client_cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from autos_client import ApiProblem, AsyncAutos, Autos

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """Where the API is, and the key to send to it.

    Attributes:
        url_source: The setting or option that the address comes from, for errors.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    url_source: str = "AUTOS_PUBLIC_URL"

    @property
    def is_local(self) -> bool:
        """Whether the API is on this machine. Then no proxy is used."""
        host = urlsplit(self.url).hostname or ""
        try:
            return host == "localhost" or ip_address(host).is_loopback or ip_address(host).is_unspecified
        except ValueError:
            return False


def access_from_environment() -> ApiAccess:
    """Return the access that AUTOS_PUBLIC_URL and AUTOS_API_KEY describe."""
    return ApiAccess(os.environ.get("AUTOS_PUBLIC_URL") or DEFAULT_URL, os.environ.get("AUTOS_API_KEY") or None)


@dataclass(frozen=True, slots=True)
class CommandContext:
    """What the program tells its commands, as the ``obj`` of Typer's context.

    Attributes:
        program: The program's name, for texts that name a command.
        read_access: Reads the address and the key. Called only by commands that need them.
    """

    program: str = "autos-client"
    read_access: Callable[[], ApiAccess] = access_from_environment


def command_context(context: typer.Context) -> CommandContext:
    """Return what the program told its commands, or the defaults."""
    return context.find_object(CommandContext) or CommandContext()


@contextmanager
def open_client(context: typer.Context) -> Iterator[Autos]:
    """Open a client of the API.

    Raises:
        CommandError: The API refused, or did not answer; or the address or the key cannot be used.
    """
    import httpx

    from autos_client import Autos

    access = _read_access(context)
    with translating_problems():
        transport = httpx.HTTPTransport() if access.is_local else None
        with Autos(access.url, access.key, transport=transport) as autos:
            yield autos


def open_async_client(context: typer.Context) -> AsyncAutos:
    """Return a client for asyncio. The caller closes it, inside ``translating_problems``.

    Raises:
        CommandError: The address or the key cannot be used.
    """
    import httpx

    from autos_client import AsyncAutos

    access = _read_access(context)
    transport = httpx.AsyncHTTPTransport() if access.is_local else None
    return AsyncAutos(access.url, access.key, transport=transport)


@contextmanager
def translating_problems() -> Iterator[None]:
    """Turn the client's errors into command errors.

    Raises:
        CommandError: Instead of each ``autos_client.AutosError``; its exit code says of which kind it was.
    """
    import autos_client

    try:
        yield
    except autos_client.NoAnswer as problem:
        raise CommandError(problem.detail, ExitCode.UNAVAILABLE) from None
    except autos_client.UnexpectedAnswer as error:
        raise CommandError(str(error), ExitCode.UNAVAILABLE) from None
    except autos_client.ApiProblem as problem:
        text = f"{problem.detail} (HTTP {problem.status}, {problem.code})"
        raise CommandError(text, _exit_code_for(problem)) from None


def _exit_code_for(problem: ApiProblem) -> ExitCode:
    import autos_client

    match problem:
        case autos_client.Unavailable() | autos_client.RateLimited():
            return ExitCode.UNAVAILABLE
        case autos_client.Invalid():
            return ExitCode.USAGE
        case autos_client.NotFound():
            return ExitCode.NOT_FOUND
        case _:
            return ExitCode.FATAL


def _read_access(context: typer.Context) -> ApiAccess:
    from autos_client.transfers import checked_base_url, key_headers

    access = command_context(context).read_access()
    for name, check in (
        (access.url_source, lambda: checked_base_url(access.url)),
        ("AUTOS_API_KEY", lambda: key_headers(access.key)),
    ):
        try:
            check()
        except ValueError as error:
            raise CommandError(f"{name}: {error}", ExitCode.USAGE) from None
    return access
