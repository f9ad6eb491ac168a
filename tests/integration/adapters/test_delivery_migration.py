"""Deliveries that were made before the log could be read are in it afterwards."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from domain.delivery_messages import DeliveryRef
from domain.sweep_messages import OverdueRequest
from domain.webhooks import DeliveryStatus
from tests.integration.adapters.conftest import NewDatabase
from tests.integration.adapters.test_migrations import MIGRATIONS

RUN = "11111111-2222-4333-8444-555555555555"
CREATED = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
LATER = CREATED + timedelta(minutes=5)


def bring(connection: Connection, revision: str) -> None:
    """Bring an empty database to an earlier schema."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def fill(connection: Connection) -> None:
    """Bring a database to the schema before, with a delivery that waits, one that arrived and one given up."""
    bring(connection, "0002")
    number = "0000001-56.2026.8.11.0041"
    moments = {"created": CREATED, "later": LATER}
    connection.execute(
        text("INSERT INTO runs (id, process_number, client, started_at) VALUES (:run, :number, 'local', :created)"),
        {"run": RUN, "number": number, "created": CREATED},
    )
    for place, (delivered, given_up) in enumerate([("NULL", "NULL"), (":later", "NULL"), ("NULL", ":later")], 1):
        of = {"place": place, "run": RUN, "number": number, **moments}
        connection.execute(
            text(
                "INSERT INTO webhook_subscriptions (id, process_number, client, url, created_at, run_id)"
                " VALUES (:place, :number, 'local', 'https://example.com', :created, :run)"
            ),
            {key: of[key] for key in ("place", "number", "created", "run")},
        )
        connection.execute(
            text(
                "INSERT INTO webhook_deliveries (number, id, subscription_id, run_id, process_number, client, url,"
                " event_type, created_at, delivered_at, given_up_at) VALUES (:place, :id, :place, :run, :number,"
                f" 'local', 'https://example.com', 'process.completed', :created, {delivered}, {given_up})"
            ),
            {**of, "id": f"evt_{place}"},
        )
        connection.execute(
            text(
                "INSERT INTO webhook_attempts (delivery_number, attempt, sent_at, status_code, next_attempt_at)"
                " VALUES (:place, 1, :created, 500, :later)"
            ),
            {"place": place, **moments},
        )


async def test_what_was_logged_before_stays(new_database: NewDatabase) -> None:
    url = await new_database()
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(fill)
    await engine.dispose()

    await asyncio.to_thread(upgrade, url)

    catalog = Catalog(Database(url))
    logged = [await catalog.deliveries.log.get(f"evt_{place}") for place in (1, 2, 3)]
    assert [(one.delivery.status, one.delivery.next_attempt_at, len(one.attempts)) for one in logged if one] == [
        (DeliveryStatus.PENDING, LATER, 1),
        (DeliveryStatus.DELIVERED, None, 1),
        (DeliveryStatus.FAILED, None, 1),
    ]
    overdue = await catalog.deliveries.list_overdue(OverdueRequest(), by=timedelta(0))
    assert overdue.deliveries == (DeliveryRef("evt_1", 1, 2),)
    assert len(await catalog.deliveries.log.page("local", limit=9)) == 3
    await catalog.close()


def leave_waiting(connection: Connection) -> None:
    """Bring a database to the schema before, with subscriptions that wait: two for an open run, one for none."""
    bring(connection, "0007")
    number, other = "0000001-56.2026.8.11.0041", "0000002-41.2026.8.11.0041"
    connection.execute(
        text("INSERT INTO runs (id, process_number, client, started_at) VALUES (:run, :number, 'local', :created)"),
        {"run": RUN, "number": number, "created": CREATED},
    )
    for place, (of, url, run) in enumerate(
        [(number, "/waits", None), (number, "/told", RUN), (number, "/told", None), (other, "/forgotten", None)], 1
    ):
        connection.execute(
            text(
                "INSERT INTO webhook_subscriptions (id, process_number, client, url, created_at, run_id)"
                " VALUES (:place, :number, 'local', :url, :created, :run)"
            ),
            {"place": place, "number": of, "url": f"https://example.com{url}", "created": CREATED, "run": run},
        )


async def test_what_waited_is_bound_to_the_run_that_was_open(new_database: NewDatabase) -> None:
    url = await new_database()
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(leave_waiting)
    await engine.dispose()

    await asyncio.to_thread(upgrade, url)

    catalog = Catalog(Database(url))
    told = await catalog.runs.close_killed(RUN)
    logged = [await catalog.deliveries.log.get(one.id) for one in told]
    assert [one.delivery.url for one in logged if one] == ["https://example.com/waits", "https://example.com/told"]
    await catalog.close()
