"""How the commands reach the API: its address and key, the client, and API problems as command errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.outages import reporting_patience
from autos_client_cli.printing import print_line, printable
from autos_client_cli.texts import problem_in_users_language, t

if TYPE_CHECKING:
    from autos_client import AsyncAutos, Autos

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
def open_client(context: typer.Context, patience_seconds: float | None = None) -> Iterator[Autos]:
    """Open a client of the API.

    Args:
        context: The command's context.
        patience_seconds: How long to outlive an API that does not answer. ``None`` means a few attempts.

    Raises:
        CommandError: The API refused, or did not answer; or the address or the key cannot be used.
    """
    import httpx2

    from autos_client import Autos

    access = _read_access(context)
    with translating_problems():
        transport = httpx2.HTTPTransport() if access.is_local else None
        patience = reporting_patience(patience_seconds, access.url, partial(print_line, err=True))
        with Autos(access.url, access.key, transport=transport, patience=patience) as autos:
            yield autos


def open_async_client(
    context: typer.Context, patience_seconds: float, print_line: Callable[[str], None]
) -> AsyncAutos:
    """Return a client for asyncio. The caller closes it, inside ``translating_problems``.

    Args:
        context: The command's context.
        patience_seconds: How long to outlive an API that does not answer.
        print_line: Prints that it does not answer, and that it answers again.

    Raises:
        CommandError: The address or the key cannot be used.
    """
    import httpx2

    from autos_client import AsyncAutos

    access = _read_access(context)
    transport = httpx2.AsyncHTTPTransport() if access.is_local else None
    patience = reporting_patience(patience_seconds, access.url, print_line)
    return AsyncAutos(access.url, access.key, transport=transport, patience=patience)


@contextmanager
def translating_problems() -> Iterator[None]:
    """Turn the client's errors into command errors.

    Raises:
        CommandError: Instead of each ``autos_client.AutosError``; its exit code says of which kind it was.
    """
    import autos_client

    try:
        yield
    except autos_client.ApiProblem as problem:
        raise CommandError(problem_text(problem), exit_code_for_problem(problem)) from None
    except autos_client.UnexpectedAnswer as error:
        raise CommandError(printable(str(error)), ExitCode.UNAVAILABLE) from None


def problem_text(problem: Exception) -> str:
    """Return one line on an API problem, with what a report to the operator needs."""
    import autos_client

    text = problem.detail if isinstance(problem, autos_client.NoAnswer) else str(problem)
    if isinstance(problem, autos_client.ApiProblem) and (known := problem_in_users_language(problem.code)):
        request = f", request {problem.request_id}" if problem.request_id else ""
        text = f"{known} ({problem.reason}{request})"
    elif isinstance(problem, autos_client.Unauthorized):
        text += " " + t("The key is read from AUTOS_API_KEY.")
    return printable(text)


def exit_code_for_problem(problem: Exception) -> ExitCode:
    """Return the exit code for an API problem."""
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
