"""Checks of the catalog's database."""

from __future__ import annotations

from datetime import UTC, datetime

from cli.doctor.findings import Fault, Finding, failed, ok
from cli.doctor.parts import Parts
from domain.errors import ConfigurationError

MIGRATE = "Run `autos migrate`."


async def check_database(parts: Parts) -> Finding:
    """Check that the database answers."""
    address = parts.settings.database_address
    clock = await parts.database.read_clock()
    if not address.is_sqlite:
        parts.database_skew = clock - datetime.now(UTC)
    kind = "SQLite" if address.is_sqlite else "PostgreSQL"
    return ok(f"{kind} answers. {address.describe()}")


async def check_schema(parts: Parts) -> Finding:
    """Check that the schema is ours, and that of this version."""
    try:
        schema = await parts.database.read_schema()
    except ConfigurationError as error:
        text = str(error)
        if "newer version" in text:
            remedy = "Run the newer version of Autos here too, or set AUTOS_DATABASE_URL to another database."
        else:
            remedy = "Set AUTOS_DATABASE_URL to a database or a schema of its own for Autos, then `autos migrate`."
        return failed(text.partition(" Nothing was changed.")[0], remedy, Fault.SETTING)
    if schema.applied is None:
        return failed("The database has no schema yet.", MIGRATE)
    if schema.applied != schema.newest:
        return failed(f"The schema is {schema.applied}, and this version needs {schema.newest}.", MIGRATE)
    # The catalog's first connection to an SQLite file sets its journal mode, which fails while others use the file.
    await parts.catalog.check()
    return ok(f"The schema is {schema.applied}, that of this version.")


async def check_database_writes(parts: Parts) -> Finding:
    """Check that our user may write."""
    await parts.database.check_writes()
    return ok("Its user may write.")
