"""What a server asks a client to wait is kept within limits, reported, and spread by jitter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autos_client import AutosError, Patience, RateLimited, TookTooLong, Unavailable, Wait
from autos_client.patience import Retries
from autos_client.waits import parse_retry_after, with_jitter
from autos_client_cli.outages import reporting_patience
from domain.retry_after import parse_retry_after as parse_retry_after_of_the_service
from tests.integration.client.scripted import NUMBER, Script, json_answer, problem_answer, status_body

STATUS = f"GET /processes/{NUMBER}/status"
# What a header may hold, and the seconds that it means.
VALUES = [
    ("-5", 0.0),
    ("nan", None),
    ("soon", None),
    ("", None),
    ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
    ("1e400", 3600.0),
    ("9" * 400, 3600.0),
    ("3600", 3600.0),
    ("1.5", 1.5),
]
LONG = [value for value, seconds in VALUES if seconds == 3600]
USELESS = [value for value, seconds in VALUES if not seconds]
dates = st.from_regex(r"\A(Mon, )?[0-9]{1,3} (Jan|Xyz) [0-9]{1,25} [0-9]{1,3}:[0-9]{1,3} [-+]?([0-9]{1,9}|GMT|)\Z")


@pytest.mark.parametrize(("value", "seconds"), VALUES)
def test_header_means_seconds_within_limits(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds


@given(st.text() | dates)
@example("Mon, 1 Jan 99999999999999999999 00:00:00 GMT")
def test_header_is_read_as_the_service_reads_those_of_others(value: str) -> None:
    assert parse_retry_after(value) == pytest.approx(parse_retry_after_of_the_service(value), abs=1)


@given(st.floats(0, 3600))
def test_jitter_spreads_waits_and_never_shortens_them(seconds: float) -> None:
    waits = {with_jitter(seconds) for _ in range(20)}

    assert len(waits) > 10
    assert seconds <= min(waits)
    assert max(waits) <= 1.25 * seconds + 0.25


@pytest.mark.parametrize("asked", [None, 30.0])
def test_clients_that_are_refused_together_do_not_come_back_together(asked: float | None) -> None:
    problem = Unavailable("not_ready", "It starts.", status=503, retry_after=asked)
    delays = [Retries(Patience(600)).delay_after(problem) or 0.0 for _ in range(20)]

    assert len(set(delays)) > 10
    assert min(delays) >= (asked or 0.25)


@pytest.mark.parametrize("value", [*LONG, "50", "7"])
@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (503, Unavailable)])
@pytest.mark.parametrize("patience", [0, 2, 100])
def test_no_server_has_a_request_wait_longer_than_the_patience(
    script: Script, clock: list[float], value: str, status: int, kind: type[AutosError], patience: float
) -> None:
    script.on(STATUS, problem_answer(status, "later", Retry_After=value))

    with script.client(patience=patience) as autos, pytest.raises(kind):
        autos.status(NUMBER)

    assert sum(clock) == pytest.approx(patience, abs=0.1)


@pytest.mark.parametrize("value", USELESS)
async def test_useless_header_is_as_none(script: Script, clock: list[float], value: str) -> None:
    script.on(STATUS, problem_answer(503, "later", Retry_After=value))

    async with script.async_client() as autos:
        with pytest.raises(Unavailable):
            await autos.status(NUMBER)

    assert clock == [0.25, 0.5, 1.0]


def test_date_is_waited_for(script: Script, clock: list[float]) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    script.on(STATUS, problem_answer(503, "later", Retry_After=date), json_answer(status_body()))

    with script.client() as autos:
        autos.status(NUMBER)

    assert [30 < each <= 40 for each in clock] == [True]


@pytest.mark.parametrize(("value", "interval"), [*((value, 60) for value in LONG), ("0.001", 1), ("-5", 2)])
def test_interval_between_polls_is_limited(script: Script, clock: list[float], value: str, interval: float) -> None:
    script.on(STATUS, json_answer(status_body("processing", 1, 5), Retry_After=value))

    with script.client() as autos, pytest.raises(TookTooLong):
        autos.wait(NUMBER, timeout=200)

    assert set(clock[:-1]) == {interval}


def test_a_wait_is_reported_once_for_all_requests(script: Script, clock: list[float]) -> None:
    waits: list[Wait] = []
    patience = Patience(600, on_wait=waits.append)
    limited = problem_answer(429, "rate_limited", Retry_After="50")
    script.on(STATUS, limited, problem_answer(429, "rate_limited", Retry_After="2"), json_answer(status_body()))

    with script.client(patience=patience) as autos:
        autos.status(NUMBER)
        script.on(STATUS, limited, json_answer(status_body()))
        autos.status(NUMBER)
        problem = RateLimited("rate_limited", "Too many.", status=429, retry_after=30)
        patience._note_wait(waits[0].party, problem, 30)
        patience._note_wait(waits[0].party, problem, 20)

    assert [(each.reason, each.seconds) for each in waits] == [
        ("HTTP 429, rate_limited", 50),
        ("HTTP 429, rate_limited", 50),
        ("HTTP 429, rate_limited", 30),
    ]


@pytest.mark.parametrize("patience_seconds", [None, 600])
def test_command_says_what_it_waits_for(script: Script, clock: list[float], patience_seconds: float | None) -> None:
    lines: list[str] = []
    script.on(STATUS, problem_answer(429, "rate_limited", Retry_After="50"), json_answer(status_body()))

    with script.client(patience=reporting_patience(patience_seconds, "https://autos.test", lines.append)) as autos:
        autos.status(NUMBER)

    assert lines == ["The API at https://autos.test asks to wait (HTTP 429, rate_limited). Trying again in 50 s."]
