"""Parsing of the database address, as operators write it, before any driver sees it."""

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
    """Where the database is, and the connection parameters.

    Attributes:
        path: File of an SQLite database. None for Postgres.
        hosts: Names, IP addresses or socket folders. Empty leaves the choice to the driver.
        ports: One for each host.
        parameters: The query parameters, by libpq's names.
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
        """Whether it is an SQLite file on this machine."""
        return self.path is not None

    @property
    def servers(self) -> tuple[tuple[str, int], ...]:
        """The hosts with their ports. If there are none, Postgres is expected on this machine."""
        if self.is_sqlite:
            return ()
        return tuple(zip(self.hosts, self.ports, strict=True)) or (("localhost", _POSTGRES_PORT),)

    def describe(self) -> str:
        """Return a sentence that says where the database is. It has neither the user nor the password."""
        if self.path is not None:
            return f"Its file is {self.path} (set by {VARIABLE}, or autos.db in AUTOS_DATA_DIR)."
        servers = " or ".join(
            host if host.startswith("/") else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            for host, port in self.servers
        )
        name = f" {self.database}" if self.database else ""
        return f"{VARIABLE} names the database{name} at {servers}."

    @classmethod
    def parse(cls, url: str) -> DatabaseAddress:
        """Parse an address. A driver's name in it (``postgresql+psycopg2``) is ignored.

        Raises:
            ConfigurationError: It is not an address, or names another kind of database. The text contains no part
                of the address except its scheme, because the rest may contain the password.
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
        location, _, query = rest.partition("?")
        authority, _, name = location.partition("/")
        login, at, host_list = authority.rpartition("@")
        user, colon, password = login.partition(":")
        if "#" in rest.partition("@")[0] or ("@" in location and not at):
            raise _UNREADABLE
        parameters = _parse_parameters(query)
        hosts, ports = _parse_hosts(parameters.pop("host", "") or host_list, parameters.pop("port", ""))
        return cls(
            hosts=hosts,
            ports=ports,
            user=parameters.pop("user", None) or (unquote(user) if at and user else None),
            password=parameters.pop("password", None) or (unquote(password) if colon else None),
            database=parameters.pop("dbname", None) or parameters.pop("database", None) or unquote(name) or None,
            parameters=parameters,
        )


def _parse_parameters(query: str) -> dict[str, str]:
    """Return the query parameters. A repeated host or port is one of several, as SQLAlchemy writes them."""
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        repeated = name in ("host", "port") and name in parameters
        parameters[name] = f"{parameters[name]},{value}" if repeated else value
    return parameters


def _parse_hosts(host_list: str, port_list: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the hosts of ``one:5432,[::1]:5433`` and a port for each.

    Args:
        host_list: Comma-separated hosts, each with or without a port.
        port_list: Comma-separated ports: one for all hosts, or one for each host. Empty means the default port.

    Raises:
        ConfigurationError: They cannot be read.
    """
    if not host_list:
        # A port without a host applies to the driver's default host.
        return (("localhost",), (_parse_port(port_list),)) if port_list else ((), ())
    defaults = [_parse_port(port) for port in port_list.split(",")] if port_list else [_POSTGRES_PORT]
    hosts, ports = [], []
    for index, text in enumerate(host_list.split(",")):
        host, port = _parse_host(text)
        if len(defaults) > 1 and index >= len(defaults):
            raise _UNREADABLE
        hosts.append(host)
        ports.append(port or defaults[index if len(defaults) > 1 else 0])
    return tuple(hosts), tuple(ports)


def _parse_host(text: str) -> tuple[str, int | None]:
    text = unquote(text)
    if text.startswith("/"):
        return text, None
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.%\w]+)\](?::(\d+))?", text)
    match = bracketed or re.fullmatch(r"([^:\s\[\]@/]+)(?::(\d*))?", text)
    if match is None:
        raise _UNREADABLE
    return match[1], _parse_port(match[2]) if match[2] else None


def _parse_port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65_536:
        raise _UNREADABLE
    return int(text)
