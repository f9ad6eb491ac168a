"""Whatever deletes or finds the rows of a process, or of what they refer to, has an index for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import ForeignKeyConstraint, Table, UniqueConstraint

import adapters.database.catalog  # noqa: F401 - defines every table.
from adapters.database.erasure_tables import ERASED_ROWS, ErasedRows
from adapters.database.tables import metadata

TABLES = sorted(metadata.tables.values(), key=lambda table: table.name)


def leading_columns(table: Table) -> Iterator[list[str]]:
    """Yield the columns of every index of a table that has all its rows, those of its constraints included."""
    yield [column.name for column in table.primary_key.columns]
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield [column.name for column in constraint.columns]
    for index in table.indexes:
        if index.dialect_options["postgresql"]["where"] is None:
            yield [column.name for column in index.columns]
    yield from ([column.name] for column in table.columns if column.unique)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_foreign_key_has_an_index(table: Table) -> None:
    # Otherwise each row that is deleted from the other table is looked for in all rows of this one.
    for constraint in table.constraints:
        if isinstance(constraint, ForeignKeyConstraint):
            columns = [column.name for column in constraint.columns]
            assert any(indexed[: len(columns)] == columns for indexed in leading_columns(table)), columns


@pytest.mark.parametrize("erased", ERASED_ROWS, ids=lambda erased: erased.table.name)
def test_the_rows_of_an_erased_process_are_found_by_an_index(erased: ErasedRows) -> None:
    if "process_number" in erased.table.columns:
        assert any(indexed[0] == "process_number" for indexed in leading_columns(erased.table))
