"""Deliveries and subscriptions of earlier schemas are kept by the migrations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from domain.delivery_messages import DeliveryRef
from domain.sweep_messages import OverdueRequest
from domain.webhooks import DeliveryStatus
from tests.integration.adapters.conftest import NewDatabase
from tests.support.migrations import open_upgraded_catalog

RUN = "11111111-2222-4333-8444-555555555555"
CREATED = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
LATER = CREATED + timedelta(minutes=5)


def insert_deliveries(connection: Connection) -> None:
    """Insert three deliveries: pending, delivered and failed."""
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


async def test_deliveries_are_kept_in_the_log(new_database: NewDatabase) -> None:
    async with open_upgraded_catalog(await new_database(), "0002", insert_deliveries) as catalog:
        logged = [await catalog.deliveries.log.get(f"evt_{place}") for place in (1, 2, 3)]
        assert [
            (entry.delivery.status, entry.delivery.next_attempt_at, len(entry.attempts))
            for entry in logged
            if entry
        ] == [
            (DeliveryStatus.PENDING, LATER, 1),
            (DeliveryStatus.DELIVERED, None, 1),
            (DeliveryStatus.FAILED, None, 1),
        ]
        overdue = await catalog.deliveries.list_overdue(OverdueRequest(), by=timedelta(0))
        assert overdue.deliveries == (DeliveryRef("evt_1", 1, 2),)
        assert len(await catalog.deliveries.log.page("local", limit=9)) == 3


def insert_subscriptions(connection: Connection) -> None:
    """Insert pending subscriptions: two for an open run, and one whose process has no run."""
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


async def test_pending_subscriptions_are_bound_to_the_open_run(new_database: NewDatabase) -> None:
    async with open_upgraded_catalog(await new_database(), "0007", insert_subscriptions) as catalog:
        deliveries = await catalog.runs.close_killed(RUN)
        logged = [await catalog.deliveries.log.get(delivery.id) for delivery in deliveries]
        assert [entry.delivery.url for entry in logged if entry] == [
            "https://example.com/waits",
            "https://example.com/told",
        ]
