"""The access trail as CSV: in small pieces whatever a row has, and without formulas wherever it is opened."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from api.schemas.accesses import AccessesQuery
from api.services.accesses import AccessService
from domain.accesses import Access, AccessKind, Recipient
from domain.clients import ALL_SCOPES, Client
from domain.run_messages import RunOpening
from tests.support.listings import document_ids
from tests.support.numbers import fresh_number

MOST_LINES_OF_A_CHUNK = 500


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    """A catalog with an empty trail."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))
    yield catalog
    await catalog.close()


async def record(catalog: Catalog, ids: tuple[str, ...], purpose: str | None = None) -> None:
    """Record an access."""
    number, recipient = fresh_number(), Recipient(Client("desk", ALL_SCOPES), "a-request", purpose)
    await catalog.runs.register(RunOpening(number, str(uuid4()), "desk"))
    await catalog.accesses.record(Access(recipient, number, AccessKind.ARCHIVE, ids))


async def test_large_processes_are_sent_in_small_pieces_and_nothing_is_missing(catalog: Catalog) -> None:
    ids = tuple(document_ids(1_200))
    for _ in range(120):
        await record(catalog, ids)
    lines, most = 0, 0
    async for chunk in AccessService(catalog).stream_csv(AccessesQuery()):
        lines += chunk.count(b"\r\n")
        most = max(most, chunk.count(b"\r\n"))
    assert lines == 1 + 120 * len(ids)
    assert most <= MOST_LINES_OF_A_CHUNK


@pytest.mark.parametrize(
    ("purpose", "written"),
    [
        ("due diligence; matter 14-B", "due diligence; matter 14-B"),
        ("=1+1", "'=1+1"),
        (" =1+1", "' =1+1"),
        # A spreadsheet that separates by semicolons begins a cell behind one, also inside our quotes.
        ("a;=1+1", "a;'=1+1"),
        ('a; "=1+1"', 'a;\' "=1+1"'),
        ("a;b;@SUM(1)", "a;b;'@SUM(1)"),
        ("\uff1d1+1", "'\uff1d1+1"),
    ],
)
async def test_no_spreadsheet_finds_a_formula(catalog: Catalog, purpose: str, written: str) -> None:
    await record(catalog, ("a",), purpose)
    text = b"".join([chunk async for chunk in AccessService(catalog).stream_csv(AccessesQuery())]).decode()
    [row] = csv.DictReader(io.StringIO(text))
    assert row["purpose"] == written
