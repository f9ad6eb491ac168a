"""What the commands that speak to a running API share: where it is, its refusals, and how answers are printed."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from domain.errors import AutosError, ConfigurationError, DependencyUnavailable, InvalidInput
from domain.process_number import ProcessNumber

if TYPE_CHECKING:
    from pydantic import BaseModel

    from autos_client import ApiProblem, AsyncAutos, Autos


class Refused(AutosError):
    """The API did not do what was asked; its own words say why."""


class NotThere(AutosError):
    """The API does not know what was asked for."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API is, and the key that it is shown."""

    url: str
    key: str | None

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine: then no proxy stands between."""
        host = urlsplit(self.url).hostname or ""
        try:
            return host == "localhost" or ip_address(host).is_loopback or ip_address(host).is_unspecified
        except ValueError:
            return False


@contextmanager
def speaking() -> Iterator[Autos]:
    """Speak to the API of the settings, and have its errors as ours.

    Raises:
        AutosError: the API refused, or did not answer; the kind decides what the command ends with.
    """
    import httpx

    from autos_client import Autos

    address = _address()
    with translating():
        transport = httpx.HTTPTransport() if address.is_here else None
        with Autos(address.url, address.key, transport=transport) as autos:
            yield autos


def open_async() -> AsyncAutos:
    """The same for asyncio, to be closed by the caller, whose block is inside ``translating``."""
    import httpx

    from autos_client import AsyncAutos

    address = _address()
    transport = httpx.AsyncHTTPTransport() if address.is_here else None
    return AsyncAutos(address.url, address.key, transport=transport)


@contextmanager
def translating() -> Iterator[None]:
    """Have the client's errors as ours.

    Raises:
        AutosError: as in ``speaking``.
    """
    import autos_client

    try:
        yield
    except autos_client.Unavailable as problem:
        text = problem.detail if isinstance(problem, autos_client.NoAnswer) else _said(problem)
        raise DependencyUnavailable("api", text) from None
    except autos_client.RateLimited as problem:
        raise DependencyUnavailable("api", _said(problem)) from None
    except autos_client.UnexpectedAnswer as error:
        raise DependencyUnavailable("api", str(error)) from None
    except autos_client.Invalid as problem:
        raise InvalidInput(_said(problem)) from None
    except autos_client.NotFound as problem:
        raise NotThere(_said(problem)) from None
    except autos_client.ApiProblem as problem:
        raise Refused(_said(problem)) from None


def read_standard_input() -> str:
    """Return what is on standard input, whatever wrote it there."""
    return decoded(sys.stdin.buffer.read())


def decoded(content: bytes) -> str:
    """Return the text of a file that a person brings, without a byte order mark.

    What is not Unicode is taken for Latin-1, in which no byte is wrong: numbers and tokens are plain ASCII, and
    have to be right in themselves.
    """
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return content.decode("latin-1")


def canonical(number: str) -> str:
    """A process number as the API writes it.

    Raises:
        InvalidProcessNumber: it is none.
    """
    return ProcessNumber.parse(number).canonical


def print_lines(found: Iterable[BaseModel]) -> None:
    """Print answers as JSON, one a line."""
    for each in found:
        typer.echo(json.dumps(each.model_dump(mode="json"), ensure_ascii=False))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns, the first one as their headings."""
    shown = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def plain(text: str) -> str:
    """Text of others without what a terminal would obey."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def local_time(moment: datetime | None) -> str:
    """A moment as people here read it."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z") if moment else "an unknown time"


def _address() -> Address:
    from autos_client.transfers import checked_url, key_headers
    from settings import load_settings

    settings = load_settings()
    key = settings.api_key.get_secret_value() if settings.api_key else None
    for name, check in (
        ("AUTOS_PUBLIC_URL", lambda: checked_url(settings.effective_public_url)),
        ("AUTOS_API_KEY", lambda: key_headers(key)),
    ):
        try:
            check()
        except ValueError as error:
            raise ConfigurationError(f"{name}: {error}") from None
    return Address(settings.effective_public_url, key)


def _said(problem: ApiProblem) -> str:
    return f"{problem.detail} (HTTP {problem.status}, {problem.code})"
