"""Lists and counts of watches, and what an erasure leaves of them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import update

from adapters.database import Catalog, Database
from adapters.database.client_tables import api_keys, clients
from adapters.database.watch_tables import watches
from domain.erasure import Author
from domain.errors import FailureCode, ProcessErased
from domain.watch_messages import DueLook
from domain.watches import WatchNotify, WatchState, WatchWish
from tests.support.listings import document_ids
from tests.support.looks import HOUR, look, make_due, read_events, watch
from tests.support.numbers import fresh_number
from tests.support.statements import plan, statements


async def test_lists_and_counts_by_state(catalog: Catalog, database: Database) -> None:
    client = f"client-{uuid4().hex[:8]}"
    late, refused, active = sorted(fresh_number() for _ in range(3))
    for number in (late, refused, active):
        await watch(catalog, number, client)
    now = datetime.now(UTC)
    async with database.writing() as connection:
        of_client = update(watches).where(watches.c.client == client)
        await connection.execute(of_client.where(watches.c.process_number == late).values(late_at=now - HOUR))
        refusal = {"failure_code": FailureCode.NO_ACCESS}
        await connection.execute(of_client.where(watches.c.process_number.in_([late, refused])).values(refusal))
    expected = {
        WatchState.LATE: [late],
        WatchState.NO_ACCESS: [refused],
        WatchState.ACTIVE: [active],
        WatchState.NOT_FOUND: [],
    }
    for state, numbers in expected.items():
        page = await catalog.watches.page(client, state, limit=10)
        assert [one.process_number for one in page] == numbers
        assert {one.state(now) for one in page} <= {state}
        assert (await catalog.watches.count_by_state())[state] >= len(numbers)
    pages: list[str] = []
    after = None
    while found := await catalog.watches.page(client, None, after=after, limit=1):
        pages += [one.process_number for one in found]
        after = found[-1].sort_key
    assert sorted(pages) == [late, refused, active]


async def test_an_erasure_takes_watches_and_events_and_they_do_not_bring_the_process_back(
    catalog: Catalog, database: Database, number: str
) -> None:
    ids = document_ids(2)
    await look(catalog, number, ids[:1])
    await watch(catalog, number, notify=WatchNotify.ALWAYS)
    await look(catalog, number, ids, hour=1)
    await make_due(database, number)
    assert await catalog.erasures.request(number, Author("office"), "over") is not None
    # From the tombstone on, before any row is deleted.
    assert number not in {due.process_number for due in await catalog.watches.list_due(limit=10_000)}
    told = await catalog.events.page("local", after=0, limit=10_000)
    assert number not in {event.process_number for event in told.events}
    with pytest.raises(ProcessErased):
        await watch(catalog, number)
    await catalog.erased_rows.erase_all(number)
    await catalog.erasures.complete(number)
    assert await read_events(database, number) == []
    with pytest.raises(ProcessErased):
        await catalog.watches.get(number, "local")
    with pytest.raises(ProcessErased):
        await catalog.watches.put_all([number, fresh_number()], "local", WatchWish())


async def add_key(database: Database, client: str) -> str:
    """Create a key of a client. Returns its id."""
    key_id = uuid4().hex[:8]
    key = {"id": key_id, "client": client, "digest": "-", "scopes": ["read"], "created_at": datetime.now(UTC)}
    async with database.writing() as connection:
        await connection.execute(api_keys.insert().values(**key))
    return key_id


async def test_watches_of_a_client_without_a_usable_key_pause(
    catalog: Catalog, database: Database, number: str
) -> None:
    lost, careful = f"lost-{uuid4().hex[:8]}", f"careful-{uuid4().hex[:8]}"
    now = datetime.now(UTC)
    async with database.writing() as connection:
        await connection.execute(clients.insert().values(name=lost, webhook_secret="-", created_at=now))
    first, second = [await add_key(database, lost) for _ in range(2)]
    await watch(catalog, number, lost)
    await make_due(database, number)

    async def list_due() -> list[DueLook]:
        due = await catalog.watches.list_due(limit=10_000)
        return [one for one in due if one.process_number == number]

    async def count_late() -> int:
        return (await catalog.watches.count_by_state())[WatchState.LATE]

    await catalog.clients.revoke_key(first)
    assert await list_due() == [DueLook(number, lost, download=True)]
    async with database.writing() as connection:
        await connection.execute(update(watches).where(watches.c.client == lost).values(late_at=now - HOUR))
    late = await count_late()
    async with database.writing() as connection:
        await connection.execute(update(api_keys).where(api_keys.c.id == second).values(expires_at=now))
    assert await list_due() == []
    assert await count_late() == late - 1
    # Nobody could read what it would have downloaded, and the other client wants nothing opened.
    await watch(catalog, number, careful, download=False)
    await make_due(database, number)
    assert await list_due() == [DueLook(number, careful, download=False)]
    await catalog.watches.remove(number, careful)
    await add_key(database, lost)
    assert await list_due() == [DueLook(number, lost, download=True)]


async def test_what_is_due_is_found_by_an_index(catalog: Catalog, database: Database, number: str) -> None:
    await watch(catalog, number)
    with statements() as said:
        await catalog.watches.list_due(limit=1)
        await catalog.watches.page("local", None, limit=10)
        await catalog.watches.count_open_looks()
        await catalog.events.page("local", after=0, limit=10)
    plans = [await plan(database, one) for one in said if one.sql.startswith("SELECT")]
    joined = "\n".join(plans)
    for index in ("ix_watches_next_look_at", "ix_watches_client", "ix_watches_looking_since"):
        assert index in joined, joined
    assert not any("Seq Scan" in one or "SCAN watches\n" in one or "SCAN events" in one for one in plans), joined
