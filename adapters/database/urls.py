"""Translation of the operator's database URL to the arguments of SQLAlchemy and its async drivers."""

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

_CONNECT_TIMEOUT_SECONDS = 5.0
_COMMAND_TIMEOUT_SECONDS = 30.0
_PARAMETER_NAME = re.compile(r"[A-Za-z][A-Za-z_]{0,39}")

# asyncpg reads these itself, as libpq does.
_DRIVER_PARAMETERS = frozenset(
    {
        *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs", "passfile", "service"),
        *("krbsrvname", "gsslib"),
    }
)
_FILE_PARAMETERS = frozenset({"sslcert", "sslkey", "sslrootcert", "sslcrl", "passfile"})
# Sent to the server at connect, under the name on the right.
_SERVER_SETTINGS = {
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
_TIMEOUTS = {"connect_timeout": "timeout", "timeout": "timeout", "command_timeout": "command_timeout"}
# Tuning of libpq's own sockets, ignored here: the pool checks a connection before it uses it.
_IGNORED = frozenset(
    {
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
        *("sslcompression", "sslsni"),
    }
)
# Accepted only with these values, which ask for nothing that asyncpg cannot do.
_ACCEPTED_VALUES = {
    "channel_binding": frozenset({"disable", "prefer"}),
    "gssencmode": frozenset({"disable", "prefer"}),
    "client_encoding": frozenset({"utf8", "utf-8", "auto"}),
    "load_balance_hosts": frozenset({"disable"}),
}
# Parameters by which SQLAlchemy, Prisma and the docs of poolers say that a pooler is in between.
_CACHE_SIZES = frozenset({"prepared_statement_cache_size", "statement_cache_size"})
_POOLER_FLAGS = frozenset({"pgbouncer"})
_ALLOWED_VALUES = {
    "sslmode": frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
    "sslnegotiation": frozenset({"postgres", "direct"}),
    "target_session_attrs": frozenset({"any", "primary", "standby", "read-write", "read-only", "prefer-standby"}),
    "gsslib": frozenset({"gssapi", "sspi"}),
}
_ADVICE = {
    "schema": "Write options=-csearch_path%3DNAME for a schema of its own.",
    "currentSchema": "Write options=-csearch_path%3DNAME for a schema of its own.",
    "channel_binding": "The driver has no channel binding: leave it out, and use sslmode=verify-full instead.",
    "require_auth": "The driver cannot promise that: leave it out.",
    "requirepeer": "The driver cannot promise that: leave it out.",
    "hostaddr": "Write the address as the host.",
}


@dataclass(frozen=True, slots=True)
class EngineArguments:
    """Arguments of `create_async_engine`.

    Attributes:
        url: SQLAlchemy's URL. For Postgres it is empty: the driver gets everything in `connect_args`.
        connect_args: Passed to the driver.
        pooled: Whether there is a pooler in front of Postgres. None if the URL does not say.
    """

    url: URL
    connect_args: Mapping[str, Any] = field(repr=False)
    pooled: bool | None = None


def engine_arguments(url: str) -> EngineArguments:
    """Translate a database URL.

    Raises:
        ConfigurationError: It is not a URL of a supported database, or has a parameter that is not supported. The
            message names the parameter, never its value.
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
    arguments |= {"timeout": _CONNECT_TIMEOUT_SECONDS, "command_timeout": _COMMAND_TIMEOUT_SECONDS}
    parameters = _rename_ssl(address.parameters)
    driver: dict[str, str] = {}
    settings: dict[str, str] = {}
    pooled: bool | None = None
    for name, value in parameters.items():
        if name in _DRIVER_PARAMETERS:
            driver[name] = value
        elif name in _SERVER_SETTINGS:
            settings[_SERVER_SETTINGS[name]] = value
        elif name in _TIMEOUTS:
            # For libpq, 0 means no limit. Here it keeps the default: the service must not wait for ever.
            if seconds := _parse_number(name, value):
                arguments[_TIMEOUTS[name]] = seconds
        elif name in _CACHE_SIZES:
            pooled = pooled or _parse_number(name, value) == 0
        elif name in _POOLER_FLAGS:
            pooled = pooled or value.lower() in ("true", "1", "yes", "on")
        elif name not in _IGNORED and value.lower() not in _ACCEPTED_VALUES.get(name, frozenset()):
            raise _build_unsupported_error(name)
    _check_driver_parameters(driver)
    if driver.get("sslrootcert") == "system":
        if driver.keys() - {"sslrootcert", "sslmode", "target_session_attrs", "passfile"}:
            raise ConfigurationError(
                f"{VARIABLE}: sslrootcert=system excludes the other TLS parameters: name a file of certificates."
            )
        # Trusts the system's certificate authorities, and checks the server's name.
        arguments["ssl"] = True
        driver = {name: value for name, value in driver.items() if name not in ("sslrootcert", "sslmode")}
    if driver:
        arguments["dsn"] = f"postgresql://?{urlencode(driver)}"
    if settings:
        arguments["server_settings"] = settings
    return EngineArguments(URL.create("postgresql+asyncpg"), arguments, pooled)


def _rename_ssl(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters with ``ssl`` (asyncpg and other drivers) renamed to ``sslmode`` (libpq)."""
    renamed = dict(parameters)
    if "ssl" in renamed:
        value = renamed.pop("ssl")
        renamed.setdefault(
            "sslmode", {"true": "require", "1": "require", "false": "disable"}.get(value.lower(), value)
        )
    return renamed


def _check_driver_parameters(driver: Mapping[str, str]) -> None:
    for name, value in driver.items():
        if name in _ALLOWED_VALUES and value not in _ALLOWED_VALUES[name]:
            raise ConfigurationError(
                f"{VARIABLE}: {name} must be one of {', '.join(sorted(_ALLOWED_VALUES[name]))}."
            )
        if name in _FILE_PARAMETERS and not (name == "sslrootcert" and value == "system"):
            try:
                Path(value).open("rb").close()
            except (OSError, ValueError):
                raise ConfigurationError(f"{VARIABLE}: the file of {name} cannot be read.") from None


def _parse_number(name: str, value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value):
        raise ConfigurationError(f"{VARIABLE}: {name} must be a number.")
    return float(value)


def _build_unsupported_error(name: str) -> ConfigurationError:
    # Text that is not a valid name may be part of a password that was not percent-encoded, so it is not quoted.
    if not _PARAMETER_NAME.fullmatch(name):
        return ConfigurationError(
            f"{VARIABLE} has text after `?` that is not a parameter. In the password, write ? as %3F and & as %26."
        )
    return ConfigurationError(
        f"{VARIABLE} has the parameter {name}, which is not supported. {_ADVICE.get(name, 'Leave it out.')}"
    )
