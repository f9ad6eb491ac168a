"""From an operator's database address to what SQLAlchemy and its async drivers take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.engine import URL

from domain.database_address import VARIABLE, DatabaseAddress
from domain.errors import ConfigurationError

_CONNECT_SECONDS = 5.0
_COMMAND_SECONDS = 30.0
_NAME = re.compile(r"[A-Za-z][A-Za-z_]{0,39}")

# asyncpg reads these itself, as libpq does.
_OF_THE_DRIVER = frozenset(
    {
        *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs", "passfile", "service"),
        *("krbsrvname", "gsslib"),
    }
)
_FILES = frozenset({"sslcert", "sslkey", "sslrootcert", "sslcrl", "passfile"})
# Sent to the server when the connection begins.
_OF_THE_SERVER = {
    "application_name": "application_name",
    "fallback_application_name": "application_name",
    "options": "options",
    "search_path": "search_path",
    "statement_timeout": "statement_timeout",
    "lock_timeout": "lock_timeout",
    "idle_in_transaction_session_timeout": "idle_in_transaction_session_timeout",
    "timezone": "TimeZone",
    "TimeZone": "TimeZone",
}
_SECONDS = {"connect_timeout": "timeout", "timeout": "timeout", "command_timeout": "command_timeout"}
# Tuning of libpq's own sockets. The service asks for a sign of life before it uses a connection.
_NOT_NEEDED = frozenset(
    {
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
        *("sslcompression", "sslsni"),
    }
)
# With these values libpq asks for nothing that asyncpg does not do; with others it does.
_ONLY_WITH = {
    "channel_binding": frozenset({"disable", "prefer"}),
    "gssencmode": frozenset({"disable", "prefer"}),
    "client_encoding": frozenset({"utf8", "utf-8", "auto"}),
    "load_balance_hosts": frozenset({"disable"}),
}
# How SQLAlchemy, Prisma and poolers' own pages say that a pooler stands in between.
_CACHE_SIZES = frozenset({"prepared_statement_cache_size", "statement_cache_size"})
_POOLER = frozenset({"pgbouncer"})
_ONE_OF = {
    "sslmode": frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
    "sslnegotiation": frozenset({"postgres", "direct"}),
    "target_session_attrs": frozenset({"any", "primary", "standby", "read-write", "read-only", "prefer-standby"}),
    "gsslib": frozenset({"gssapi", "sspi"}),
}
_INSTEAD = {
    "schema": "Write options=-csearch_path%3DNAME for a schema of its own.",
    "currentSchema": "Write options=-csearch_path%3DNAME for a schema of its own.",
    "channel_binding": "The driver has no channel binding: leave it out, and have sslmode=verify-full instead.",
    "require_auth": "The driver cannot promise that: leave it out.",
    "requirepeer": "The driver cannot promise that: leave it out.",
    "hostaddr": "Write the address as the host.",
}


@dataclass(frozen=True, slots=True)
class EngineArguments:
    """What an engine is made with.

    Attributes:
        url: SQLAlchemy's address. That of Postgres holds nothing: the driver gets all of it in `connect_args`.
        connect_args: Passed to the driver as they are.
        pooled: Whether a pooler stands between us and Postgres. None if the address does not say.
    """

    url: URL
    connect_args: Mapping[str, Any] = field(repr=False)
    pooled: bool | None = None


def engine_arguments(url: str) -> EngineArguments:
    """Translate an operator's address.

    Raises:
        ConfigurationError: It is none, of another kind, or has a parameter that cannot be honoured. The text names
            the parameter, never its value.
    """
    address = DatabaseAddress.parse(url)
    if address.is_sqlite:
        return EngineArguments(URL.create("sqlite+aiosqlite", database=address.path), {})
    arguments: dict[str, Any] = {
        "host": list(address.hosts) or None,
        "port": list(address.ports) or None,
        "user": address.user,
        "password": address.password,
        "database": address.database,
    }
    arguments = {name: value for name, value in arguments.items() if value is not None}
    arguments |= {"timeout": _CONNECT_SECONDS, "command_timeout": _COMMAND_SECONDS}
    parameters = _renamed(address.parameters)
    driver: dict[str, str] = {}
    settings: dict[str, str] = {}
    pooled: bool | None = None
    for name, value in parameters.items():
        if name in _OF_THE_DRIVER:
            driver[name] = value
        elif name in _OF_THE_SERVER:
            settings[_OF_THE_SERVER[name]] = value
        elif name in _SECONDS:
            # For libpq, 0 is no limit. A service that waits for ever for its database serves nobody.
            if seconds := _number(name, value):
                arguments[_SECONDS[name]] = seconds
        elif name in _CACHE_SIZES:
            pooled = pooled or _number(name, value) == 0
        elif name in _POOLER:
            pooled = pooled or value.lower() in ("true", "1", "yes", "on")
        elif name not in _NOT_NEEDED and value.lower() not in _ONLY_WITH.get(name, frozenset()):
            raise _refused(name)
    _check(driver)
    if driver.get("sslrootcert") == "system":
        if driver.keys() - {"sslrootcert", "sslmode", "target_session_attrs", "passfile"}:
            raise ConfigurationError(
                f"{VARIABLE}: sslrootcert=system excludes the other parameters of TLS: name a file of certificates."
            )
        # The authorities that this system trusts, and the server's name is checked.
        arguments["ssl"] = True
        driver = {name: value for name, value in driver.items() if name not in ("sslrootcert", "sslmode")}
    if driver:
        arguments["dsn"] = f"postgresql://?{urlencode(driver)}"
    if settings:
        arguments["server_settings"] = settings
    return EngineArguments(URL.create("postgresql+asyncpg"), arguments, pooled)


def _renamed(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters with asyncpg's and other drivers' ``ssl`` under libpq's name."""
    renamed = dict(parameters)
    if "ssl" in renamed:
        said = renamed.pop("ssl")
        renamed.setdefault(
            "sslmode", {"true": "require", "1": "require", "false": "disable"}.get(said.lower(), said)
        )
    return renamed


def _check(driver: Mapping[str, str]) -> None:
    for name, value in driver.items():
        if name in _ONE_OF and value not in _ONE_OF[name]:
            raise ConfigurationError(f"{VARIABLE}: {name} must be one of {', '.join(sorted(_ONE_OF[name]))}.")
        if name in _FILES and not (name == "sslrootcert" and value == "system"):
            try:
                Path(value).open("rb").close()
            except (OSError, ValueError):
                raise ConfigurationError(f"{VARIABLE}: the file of {name} cannot be read.") from None


def _number(name: str, value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value):
        raise ConfigurationError(f"{VARIABLE}: {name} must be a number.")
    return float(value)


def _refused(name: str) -> ConfigurationError:
    # What is no name may be a piece of a password that is not percent-encoded.
    if not _NAME.fullmatch(name):
        return ConfigurationError(
            f"{VARIABLE} has a parameter after `?` that is none. In the password, write ? as %3F and & as %26."
        )
    return ConfigurationError(
        f"{VARIABLE} has the parameter {name}, which cannot be honoured. {_INSTEAD.get(name, 'Leave it out.')}"
    )
