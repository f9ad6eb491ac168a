"""The metrics of a real deployment: what Temporal and the catalog say of it."""

from __future__ import annotations

from domain.completeness import Phase
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def read_metrics(stack: RunningStack) -> dict[str, float]:
    """Scrape the API. Return the value of every series."""
    lines = (line for line in (await stack.api.get("/metrics")).text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}


async def test_open_runs_are_counted_by_phase(stack: RunningStack) -> None:
    number, series = fresh_number(), 'autos_runs_open{phase="paused"}'
    await stack.create_process(number, 60, size_bytes=2_000)
    await stack.set_latency(3)
    before = (await read_metrics(stack))[series]
    await stack.request_download(number)
    (await stack.post_action(number, "pause")).raise_for_status()
    await stack.set_latency(0)

    async def is_counted(count: float) -> dict[str, float] | None:
        values = await read_metrics(stack)
        return values if values[series] == count else None

    values = await eventually(lambda: is_counted(before + 1), "the paused run is counted")
    assert min(values[f'autos_runs_open{{phase="{phase}"}}'] for phase in Phase) >= 0
    await stack.post_action(number, "cancel")
    await eventually(lambda: is_counted(before), "the cancelled run is not counted")


async def test_backlogs_and_circuits_are_known(stack: RunningStack) -> None:
    values = await read_metrics(stack)
    for queue in ("processes", "court"):
        assert values[f'autos_task_queue_backlog{{queue="{queue}"}}'] >= 0
        assert values[f'autos_task_queue_backlog_age_seconds{{queue="{queue}"}}'] >= 0
    assert (values["autos_court_answering"], values["autos_store_answering"]) == (1, 1)
    assert values["autos_court_token_seconds_left"] > 0
