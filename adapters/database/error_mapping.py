"""Error mapping: the driver's errors become domain errors, without the statement and its parameters."""

from __future__ import annotations

from ssl import SSLCertVerificationError

from asyncpg.exceptions import ClientConfigurationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from adapters.logs import log_cause
from domain.errors import AutosError, ConfigurationError, DependencyUnavailable, TransactionConflict

# Configuration errors that waiting does not fix, by SQLSTATE or its class (the first two characters).
_CONFIGURATION_ERRORS = {
    "28": "The database refuses the user or the password of AUTOS_DATABASE_URL, or wants TLS (sslmode=require).",
    "3D000": "The database that AUTOS_DATABASE_URL names does not exist.",
    "3F000": "The schema that AUTOS_DATABASE_URL names in its search_path does not exist: create it.",
    "42501": "The user of AUTOS_DATABASE_URL lacks rights in the database: grant it CREATE on the schema.",
}


class TranslatingDriverErrors:
    """Context manager that raises domain errors in place of the driver's errors.

    Args:
        place: Where the database is, for operators.
    """

    def __init__(self, place: str = "") -> None:
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        translated = translate_error(error)
        if error is not None and translated is not None:
            # Not the whole error: its text holds the statement and its parameters.
            log_cause(error.orig or error if isinstance(error, DBAPIError) else error, "database")
            if isinstance(translated, DependencyUnavailable):
                translated.place = self._place
            raise translated from None


def translate_error(error: BaseException | None) -> AutosError | None:
    """Return the domain error for a driver's error: one to wait for, or one to fix. None if it is neither."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = str(getattr(cause, "sqlstate", None) or "")
    if isinstance(cause, ClientConfigurationError):
        return ConfigurationError(
            "AUTOS_DATABASE_URL: the database's driver cannot use these parameters. Does sslmode=verify-ca or "
            "verify-full have its sslrootcert?"
        )
    if isinstance(cause, SSLCertVerificationError):
        return ConfigurationError(
            "The certificate of the database's server is not trusted: see sslmode and sslrootcert in "
            "AUTOS_DATABASE_URL."
        )
    if isinstance(cause, ConnectionError) and "SSL upgrade" in str(cause):
        return ConfigurationError(
            "The database's server does not support TLS, but sslmode in AUTOS_DATABASE_URL requires it."
        )
    if configured := _CONFIGURATION_ERRORS.get(state) or _CONFIGURATION_ERRORS.get(state[:2]):
        return ConfigurationError(configured)
    if state == "08P01" and "startup parameter" in str(cause):
        return ConfigurationError(
            "The pooler in front of the database refuses a parameter of AUTOS_DATABASE_URL (options, search_path, "
            "statement_timeout or the like): set it by ALTER ROLE, or have the pooler ignore it."
        )
    if "file is not a database" in str(cause):
        return ConfigurationError("The file of AUTOS_DATABASE_URL is not an SQLite database.")
    if state == "42P01" or (isinstance(error, OperationalError) and "no such table" in str(cause)):
        return DependencyUnavailable("database", "The catalog's database lacks a table: run `autos migrate`.")
    if state == "25006" or "attempt to write a readonly database" in str(cause):
        return DependencyUnavailable("database", "The catalog's database is read-only at the moment.")
    if state == "55P03":
        return DependencyUnavailable(
            "database", "Another transaction, such as a backup, holds a table of the catalog. Nothing was changed."
        )
    # 40P01 is a deadlock, 40001 a serialization failure: the transaction was rolled back in favour of another one.
    if state in ("40P01", "40001"):
        return TransactionConflict("database", "The catalog's database is busy with conflicting changes.")
    is_connection_lost = isinstance(error, InterfaceError | OperationalError | PoolTimeout | OSError) or (
        # Without a statement the server refused the connection itself: it is full, starting up or shutting down.
        isinstance(error, DBAPIError) and (error.connection_invalidated or error.statement is None)
    )
    if is_connection_lost:
        return DependencyUnavailable(
            "database", f"The catalog's database does not answer ({type(cause).__name__})."
        )
    return None
