"""The address of the catalog's database as operators write it, read before any driver sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from domain.errors import ConfigurationError

VARIABLE = "AUTOS_DATABASE_URL"

_SCHEME = re.compile(r"([a-z][a-z0-9]{0,19})(?:\+[a-z0-9_]{1,20})?:", re.IGNORECASE)
_POSTGRES = frozenset({"postgres", "postgresql"})
_POSTGRES_PORT = 5432
_QUOTES = "\"'"
_FORMS = "postgresql://user:password@host:5432/name or sqlite:////path/to/file.db"
_UNREADABLE = ConfigurationError(
    f"{VARIABLE} has a host or a port that cannot be read. In the user's name and the password, "
    "write / ? # @ : and % percent-encoded (%2F %3F %23 %40 %3A %25)."
)


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where the database is, and how it is to be spoken to.

    Attributes:
        path: The file of an SQLite database. None for Postgres.
        hosts: Names, IP addresses or folders of sockets. Empty leaves the choice to the driver.
        ports: One for each host.
        parameters: What stands after the question mark, by libpq's names.
    """

    path: str | None = None
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    database: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file on this machine."""
        return self.path is not None

    @property
    def servers(self) -> tuple[tuple[str, int], ...]:
        """The hosts with their ports. Without any, Postgres is expected on this machine."""
        if self.is_sqlite:
            return ()
        return tuple(zip(self.hosts, self.ports, strict=True)) or (("localhost", _POSTGRES_PORT),)

    @classmethod
    def parse(cls, url: str) -> DatabaseAddress:
        """Read an address. The name of a driver in it (``postgresql+psycopg2``) is passed over.

        Raises:
            ConfigurationError: It is none, or of a database of another kind. The text holds no part of the address
                but its scheme.
        """
        url = url.strip()
        if len(url) > 1 and url[0] in _QUOTES and url[-1] == url[0]:
            url = url[1:-1].strip()
        scheme = _SCHEME.match(url)
        kind = scheme[1].lower() if scheme else ""
        rest = url[scheme.end() :] if scheme else ""
        if kind in _POSTGRES and rest.startswith("//"):
            return cls._postgres(rest[2:])
        if kind == "sqlite":
            return cls._sqlite(rest)
        if scheme and rest.startswith("//"):
            raise ConfigurationError(
                f"{VARIABLE} names a database of another kind ({kind}). Autos takes PostgreSQL or SQLite: {_FORMS}."
            )
        raise ConfigurationError(f"{VARIABLE} is not the address of a database: {_FORMS}.")

    @classmethod
    def _sqlite(cls, rest: str) -> DatabaseAddress:
        path, question, _ = rest.partition("?")
        if question:
            raise ConfigurationError(
                f"{VARIABLE}: an SQLite address takes no parameters; leave out what follows `?`."
            )
        file = path.removeprefix("///")
        if not path.startswith("///") or file.strip() in ("", ":memory:", "/"):
            raise ConfigurationError(
                f"{VARIABLE} names no file: write sqlite:/// and a path, as in sqlite:////var/lib/autos/autos.db. "
                "A database in memory cannot be shared between the API and the workers."
            )
        return cls(path=file)

    @classmethod
    def _postgres(cls, rest: str) -> DatabaseAddress:
        place, _, query = rest.partition("?")
        authority, _, name = place.partition("/")
        login, at, spots = authority.rpartition("@")
        user, colon, password = login.partition(":")
        if "#" in rest.partition("@")[0] or ("@" in place and not at):
            raise _UNREADABLE
        parameters = _parameters(query)
        hosts, ports = _spots(parameters.pop("host", "") or spots, parameters.pop("port", ""))
        return cls(
            hosts=hosts,
            ports=ports,
            user=parameters.pop("user", None) or (unquote(user) if at and user else None),
            password=parameters.pop("password", None) or (unquote(password) if colon else None),
            database=parameters.pop("dbname", None) or parameters.pop("database", None) or unquote(name) or None,
            parameters=parameters,
        )


def _parameters(query: str) -> dict[str, str]:
    """Return the parameters of a query. A host that stands there twice is two hosts, as SQLAlchemy writes them."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found[name] = f"{found[name]},{value}" if name in ("host", "port") and name in found else value
    return found


def _spots(spots: str, ports: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the hosts of ``one:5432,[::1]:5433`` and a port for each.

    Raises:
        ConfigurationError: They cannot be read.
    """
    if not spots:
        # A port alone is of the host that the driver takes by default.
        return (("localhost",), (_port(ports),)) if ports else ((), ())
    common = [_port(port) for port in ports.split(",")] if ports else [_POSTGRES_PORT]
    hosts, found = [], []
    for place, spot in enumerate(spots.split(",")):
        host, port = _spot(spot)
        if len(common) > 1 and place >= len(common):
            raise _UNREADABLE
        hosts.append(host)
        found.append(port or common[place if len(common) > 1 else 0])
    return tuple(hosts), tuple(found)


def _spot(spot: str) -> tuple[str, int | None]:
    spot = unquote(spot)
    if spot.startswith("/"):
        return spot, None
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.%\w]+)\](?::(\d+))?", spot)
    plain = bracketed or re.fullmatch(r"([^:\s\[\]@/]+)(?::(\d*))?", spot)
    if plain is None:
        raise _UNREADABLE
    return plain[1], _port(plain[2]) if plain[2] else None


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65_536:
        raise _UNREADABLE
    return int(text)
