"""The metrics for Prometheus: counts by route template, without names of processes or clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from starlette.responses import Response

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.security.rate_limits import RateLimiter
from adapters.temporal.deployment_load import Backlog, DeploymentLoad
from api.auth import Authenticator
from api.middleware.request_metrics import RequestMetrics
from api.problems.handlers import install_problem_handlers
from api.routes import health, metrics
from api.services.metrics import Metrics
from api.services.worker_presence import WorkerPresence
from domain.completeness import Phase
from domain.court import TokenReport
from domain.erasure import Author
from domain.errors import CourtFailure, DependencyUnavailable, FailureCode
from domain.secrecy import Secrecy
from tests.support.listings import FIRST_DEGREE, document_ids, listed, listing_of
from tests.support.numbers import fresh_number

KEY = "a key of sixteen characters"
SCRAPER = {"Authorization": f"Bearer {KEY}"}


@dataclass(frozen=True)
class MeasuredApp:
    """An app with metrics, its HTTP client and its catalog."""

    app: FastAPI
    client: httpx2.AsyncClient
    catalog: Catalog

    async def read_metrics(self) -> dict[str, str]:
        """Scrape the metrics. Return the value of every series."""
        answer = await self.client.get("/metrics", headers=SCRAPER)
        assert answer.status_code == 200
        lines = (line for line in answer.text.splitlines() if not line.startswith("#"))
        return {series: value for series, _, value in (line.rpartition(" ") for line in lines)}


@pytest.fixture(scope="module")
async def database_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a migrated database."""
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('catalog') / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    return url


async def count_workers() -> dict[str, int]:
    """Count the workers as Temporal would. The queue ``court`` has none."""
    return {"processes": 2, "court": 0, "bundles": 1}


async def read_load() -> DeploymentLoad:
    """Return the load as Temporal would tell it."""
    open_runs = dict.fromkeys(Phase, 0) | {Phase.WAITING_FOR_COURT: 3}
    return DeploymentLoad(
        {"processes": Backlog(0, 0.0), "court": Backlog(7, 12.5), "bundles": Backlog(0, 0.0)}, open_runs
    )


async def fail_to_read_load() -> DeploymentLoad:
    """Fail as if Temporal did not answer."""
    raise DependencyUnavailable("temporal", "Temporal does not answer.")


def create_measured_app(catalog: Catalog) -> FastAPI:
    """Return an app with metrics and a few routes."""
    app = FastAPI()
    app.state.authenticator = Authenticator(KEY, "http://127.0.0.1", catalog.clients, RateLimiter())
    app.state.metrics = Metrics()
    app.state.catalog = catalog
    app.state.worker_presence = WorkerPresence(count_workers)
    app.state.read_load = read_load
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
async def measured(database_url: str) -> AsyncIterator[MeasuredApp]:
    """The app with its client and catalog."""
    catalog = Catalog(Database(database_url))
    app = create_measured_app(catalog)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield MeasuredApp(app, client, catalog)
    await catalog.close()


async def test_requests_are_counted_by_route_template(measured: MeasuredApp) -> None:
    for path in ("/things/one", "/things/two", "/things/broken", "/nothing/here", "/health/live"):
        await measured.client.get(path)
    await measured.client.delete("/things/one")
    await measured.client.request("BREW", "/things/one")
    values = await measured.read_metrics()
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


async def test_metrics_contain_no_path_or_query_values(measured: MeasuredApp) -> None:
    number = fresh_number()
    await measured.client.get(f"/things/{number}?secret=tell")
    await measured.client.get(f"/elsewhere/{number}")
    text = (await measured.client.get("/metrics", headers=SCRAPER)).text
    assert number not in text
    assert "tell" not in text


async def test_each_app_has_its_own_counters(measured: MeasuredApp) -> None:
    await measured.client.get("/things/one")
    other = create_measured_app(measured.catalog)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(other), base_url="http://127.0.0.1") as client:
        text = (await client.get("/metrics", headers=SCRAPER)).text
    assert "/things" not in text


async def test_open_streams_are_counted(measured: MeasuredApp) -> None:
    recorded: Metrics = measured.app.state.metrics
    with recorded.track_stream(), recorded.track_stream():
        assert (await measured.read_metrics())["autos_event_streams"] == "2.0"
    assert (await measured.read_metrics())["autos_event_streams"] == "0.0"


async def test_database_transactions_are_counted(measured: MeasuredApp) -> None:
    before = float((await measured.read_metrics())["autos_database_transactions_total"])
    for _ in range(5):
        await measured.catalog.check()
    # Reading the metrics queries the database too.
    assert float((await measured.read_metrics())["autos_database_transactions_total"]) > before + 5


async def test_metrics_show_how_long_an_erasure_takes(measured: MeasuredApp) -> None:
    assert (await measured.read_metrics())["autos_erasure_age_seconds"] == "0.0"
    number = fresh_number()
    await measured.catalog.erasures.request(number, Author("office"), None, known=True)
    assert float((await measured.read_metrics())["autos_erasure_age_seconds"]) > 0
    await measured.catalog.erased_rows.erase_all(number)
    await measured.catalog.erasures.complete(number)
    assert (await measured.read_metrics())["autos_erasure_age_seconds"] == "0.0"


async def test_metrics_show_whether_the_court_and_the_database_answer(
    measured: MeasuredApp, tmp_path: Path
) -> None:
    values = await measured.read_metrics()
    assert (values["autos_database_answering"], values["autos_court_answering"]) == ("1.0", "1.0")
    assert values["autos_batches_open"] == "0.0"
    court = measured.catalog.court_state
    await court.open_circuit(
        CourtFailure(FailureCode.COURT_UNAVAILABLE, "HTTP 503"),
        process_number=fresh_number(),
        generation=(await court.read_state()).generation,
        token=None,
    )
    assert (await measured.read_metrics())["autos_court_answering"] == "0.0"

    assert values['autos_alerts{kind="court_unavailable"}'] == "0.0"
    await measured.catalog.alerts.review(url=None, court_patience=timedelta(0))
    assert (await measured.read_metrics())['autos_alerts{kind="court_unavailable"}'] == "1.0"

    unreachable = Catalog(Database(f"sqlite+aiosqlite:///{tmp_path / 'nowhere' / 'autos.db'}"))
    other_app = create_measured_app(unreachable)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(other_app), base_url="http://127.0.0.1") as client:
        values = await MeasuredApp(other_app, client, unreachable).read_metrics()
    assert (values["autos_database_answering"], values["autos_court_answering"]) == ("0.0", "NaN")
    assert values['autos_alerts{kind="court_unavailable"}'] == "NaN"
    assert (values["autos_store_answering"], values["autos_court_token_seconds_left"]) == ("NaN", "NaN")
    assert values['autos_unrecognized_secrecy_levels{of="documents"}'] == "NaN"
    await unreachable.close()


async def test_metrics_show_whether_the_store_answers(measured: MeasuredApp) -> None:
    circuit = measured.catalog.store_circuit
    assert (await measured.read_metrics())["autos_store_answering"] == "1.0"
    await circuit.open("It is full.", generation=0)
    assert (await measured.read_metrics())["autos_store_answering"] == "0.0"
    await circuit.close(generation=1)
    assert (await measured.read_metrics())["autos_store_answering"] == "1.0"


async def test_metrics_show_how_long_the_token_lasts(measured: MeasuredApp) -> None:
    series = "autos_court_token_seconds_left"
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    await measured.catalog.court_state.report_token(TokenReport("stored", expires_at=expires_at))
    assert 3500 < float((await measured.read_metrics())[series]) <= 3600
    await measured.catalog.court_state.report_token(TokenReport("environment"))
    assert (await measured.read_metrics())[series] == "NaN"


async def test_metrics_show_what_waits_in_temporal(measured: MeasuredApp) -> None:
    values = await measured.read_metrics()
    assert values['autos_task_queue_backlog{queue="court"}'] == "7.0"
    assert values['autos_task_queue_backlog_age_seconds{queue="court"}'] == "12.5"
    assert (values['autos_runs_open{phase="waiting_for_court"}'], values['autos_runs_open{phase="paused"}']) == (
        "3.0",
        "0.0",
    )
    measured.app.state.read_load = fail_to_read_load
    values = await measured.read_metrics()
    assert {values[f'autos_runs_open{{phase="{phase}"}}'] for phase in Phase} == {"NaN"}
    assert values['autos_task_queue_backlog{queue="court"}'] == "NaN"


async def test_unrecognized_secrecy_levels_are_counted(measured: MeasuredApp) -> None:
    series = "autos_unrecognized_secrecy_levels"
    values = await measured.read_metrics()
    assert {values[f'{series}{{of="{of}"}}'] for of in ("processes", "instances", "documents")} == {"0.0"}
    number, [closed, open_one] = fresh_number(), document_ids(2)
    instance = replace(FIRST_DEGREE, secrecy=Secrecy.UNRECOGNIZED)
    documents = [replace(listed(closed), secrecy=Secrecy.UNRECOGNIZED), listed(open_one)]
    await measured.catalog.listings.record(listing_of(number, documents, instances=(instance,)))
    values = await measured.read_metrics()
    assert [values[f'{series}{{of="{of}"}}'] for of in ("processes", "instances", "documents")] == [
        "0.0",
        "1.0",
        "1.0",
    ]
    await measured.catalog.listings.record(listing_of(number, [closed, open_one], hour=1))
    assert (await measured.read_metrics())[f'{series}{{of="documents"}}'] == "0.0"


async def test_metrics_require_a_key_when_keys_are_configured(measured: MeasuredApp) -> None:
    answer = await measured.client.get("/metrics")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_workers_of_each_queue_are_nan_until_temporal_says_how_many(measured: MeasuredApp) -> None:
    series = 'autos_workers_polling{queue="%s"}'
    values = await measured.read_metrics()
    assert (values[series % "processes"], values[series % "court"]) == ("NaN", "NaN")

    await measured.app.state.worker_presence.refresh()

    values = await measured.read_metrics()
    assert (values[series % "processes"], values[series % "court"]) == ("2.0", "0.0")
