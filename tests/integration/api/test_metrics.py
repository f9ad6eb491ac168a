"""What Prometheus reads: amounts, by the templates of routes, and nothing of any process or client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import Response

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.security.rate_limits import RateLimiter
from api.auth import Authenticator
from api.middleware.request_metrics import RequestMetrics
from api.problems.handlers import install_problem_handlers
from api.routes import health, metrics
from api.services.metrics import Metrics
from domain.errors import CourtFailure, FailureCode
from domain.secrecy import Secrecy
from tests.support.listings import FIRST_DEGREE, document_ids, listed, listing_of
from tests.support.numbers import fresh_number

KEY = "a key of sixteen characters"
SCRAPER = {"Authorization": f"Bearer {KEY}"}


@dataclass(frozen=True)
class Measured:
    """An application that is measured, and its catalog."""

    app: FastAPI
    client: httpx.AsyncClient
    catalog: Catalog

    async def values(self) -> dict[str, str]:
        """Every series with its value."""
        answer = await self.client.get("/metrics", headers=SCRAPER)
        assert answer.status_code == 200
        lines = (line for line in answer.text.splitlines() if not line.startswith("#"))
        return {series: value for series, _, value in (line.rpartition(" ") for line in lines)}


@pytest.fixture(scope="module")
async def database_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a migrated database."""
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('catalog') / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    return url


def application(catalog: Catalog) -> FastAPI:
    """An application of a few routes."""
    app = FastAPI()
    app.state.authenticator = Authenticator(KEY, "http://127.0.0.1", catalog.clients, RateLimiter())
    app.state.metrics = Metrics()
    app.state.catalog = catalog
    install_problem_handlers(app)
    app.add_middleware(RequestMetrics, metrics=app.state.metrics)
    app.include_router(metrics.router)
    app.include_router(health.router)

    @app.get("/things/{name}")
    async def thing(name: str) -> Response:
        if name == "broken":
            raise RuntimeError
        return Response(status_code=204)

    return app


@pytest.fixture
async def measured(database_url: str) -> AsyncIterator[Measured]:
    """The application, asked from this machine."""
    catalog = Catalog(Database(database_url))
    app = application(catalog)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield Measured(app, client, catalog)
    await catalog.close()


async def test_requests_are_counted_by_the_template_of_their_route(measured: Measured) -> None:
    for path in ("/things/one", "/things/two", "/things/broken", "/nothing/here", "/health/live"):
        await measured.client.get(path)
    await measured.client.delete("/things/one")
    await measured.client.request("BREW", "/things/one")
    values = await measured.values()
    counted = {series: value for series, value in values.items() if series.startswith("autos_http_requests_total")}
    assert counted == {
        'autos_http_requests_total{method="GET",route="/things/{name}",status="204"}': "2.0",
        'autos_http_requests_total{method="GET",route="/things/{name}",status="500"}': "1.0",
        'autos_http_requests_total{method="GET",route="other",status="404"}': "1.0",
        'autos_http_requests_total{method="GET",route="/health/live",status="200"}': "1.0",
        'autos_http_requests_total{method="DELETE",route="/things/{name}",status="405"}': "1.0",
        'autos_http_requests_total{method="other",route="/things/{name}",status="405"}': "1.0",
    }
    assert values['autos_http_response_seconds_count{method="GET",route="/things/{name}"}'] == "3.0"


async def test_what_was_asked_for_stands_nowhere(measured: Measured) -> None:
    number = fresh_number()
    await measured.client.get(f"/things/{number}?secret=tell")
    await measured.client.get(f"/elsewhere/{number}")
    text = (await measured.client.get("/metrics", headers=SCRAPER)).text
    assert number not in text
    assert "tell" not in text


async def test_each_application_counts_for_itself(measured: Measured) -> None:
    await measured.client.get("/things/one")
    other = application(measured.catalog)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url="http://127.0.0.1") as client:
        text = (await client.get("/metrics", headers=SCRAPER)).text
    assert "/things" not in text


async def test_streams_are_counted_while_they_are_open(measured: Measured) -> None:
    kept: Metrics = measured.app.state.metrics
    with kept.track_stream(), kept.track_stream():
        assert (await measured.values())["autos_event_streams"] == "2.0"
    assert (await measured.values())["autos_event_streams"] == "0.0"


async def test_the_databases_load_is_counted(measured: Measured) -> None:
    before = float((await measured.values())["autos_database_transactions_total"])
    for _ in range(5):
        await measured.catalog.check()
    # Reading the metrics asks it as well.
    assert float((await measured.values())["autos_database_transactions_total"]) > before + 5


async def test_the_court_and_the_database_are_seen_to_answer_or_not(measured: Measured, tmp_path: Path) -> None:
    values = await measured.values()
    assert (values["autos_database_answering"], values["autos_court_answering"]) == ("1.0", "1.0")
    assert values["autos_batches_open"] == "0.0"
    court = measured.catalog.court_state
    await court.open_circuit(
        CourtFailure(FailureCode.COURT_UNAVAILABLE, "HTTP 503"),
        process_number=fresh_number(),
        generation=(await court.read_state()).generation,
        token=None,
    )
    assert (await measured.values())["autos_court_answering"] == "0.0"

    assert values['autos_alerts{kind="court_unavailable"}'] == "0.0"
    await measured.catalog.alerts.review(url=None, court_patience=timedelta(0))
    assert (await measured.values())['autos_alerts{kind="court_unavailable"}'] == "1.0"

    lost = Catalog(Database(f"sqlite+aiosqlite:///{tmp_path / 'nowhere' / 'autos.db'}"))
    elsewhere = application(lost)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(elsewhere), base_url="http://127.0.0.1") as client:
        values = await Measured(elsewhere, client, lost).values()
    assert (values["autos_database_answering"], values["autos_court_answering"]) == ("0.0", "NaN")
    assert values['autos_alerts{kind="court_unavailable"}'] == "NaN"
    assert values['autos_unrecognized_secrecy_levels{of="documents"}'] == "NaN"
    await lost.close()


async def test_levels_of_secrecy_that_nobody_understands_are_counted(measured: Measured) -> None:
    series = "autos_unrecognized_secrecy_levels"
    values = await measured.values()
    assert {values[f'{series}{{of="{of}"}}'] for of in ("processes", "instances", "documents")} == {"0.0"}
    number, [closed, open_one] = fresh_number(), document_ids(2)
    instance = replace(FIRST_DEGREE, secrecy=Secrecy.UNRECOGNIZED)
    documents = [replace(listed(closed), secrecy=Secrecy.UNRECOGNIZED), listed(open_one)]
    await measured.catalog.listings.record(listing_of(number, documents, instances=(instance,)))
    values = await measured.values()
    assert [values[f'{series}{{of="{of}"}}'] for of in ("processes", "instances", "documents")] == [
        "0.0",
        "1.0",
        "1.0",
    ]
    await measured.catalog.listings.record(listing_of(number, [closed, open_one], hour=1))
    assert (await measured.values())[f'{series}{{of="documents"}}'] == "0.0"


async def test_with_keys_nobody_reads_them_without_one(measured: Measured) -> None:
    answer = await measured.client.get("/metrics")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
