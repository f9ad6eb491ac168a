"""Messages survive a round trip through Temporal's data converter."""

from __future__ import annotations

import dataclasses
import json
import typing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.converter import DataConverter

from domain import (
    batch_messages,
    circuit_messages,
    delivery_messages,
    erasure_messages,
    run_messages,
    sweep_messages,
)
from domain.completeness import Outcome
from domain.errors import FailureCode
from domain.run_messages import DownloadRequest, RunEnding, RunProgress

CONVERTER = DataConverter.default
MESSAGES = [
    kind
    for module in (
        *(batch_messages, circuit_messages, delivery_messages, erasure_messages, run_messages, sweep_messages),
    )
    for kind in vars(module).values()
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
]


def build_messages(kind: type) -> st.SearchStrategy[object]:
    """Return a strategy for messages of a type. Numbers are finite, as in JSON."""
    finite = {
        name: st.none() | st.floats(allow_nan=False, allow_infinity=False)
        for name, hint in typing.get_type_hints(kind).items()
        if hint == float | None
    }
    return st.builds(kind, **finite)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: str(kind.__name__))
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
async def test_messages_survive_a_round_trip(kind: type, data: st.DataObject) -> None:
    message = data.draw(build_messages(kind))
    payloads = await CONVERTER.encode([message])
    assert await CONVERTER.decode(payloads, [kind]) == [message]


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: str(kind.__name__))
def test_messages_are_frozen_and_have_slots(kind: type) -> None:
    message: object = object.__new__(kind)
    assert not hasattr(message, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(message, dataclasses.fields(kind)[0].name, None)


async def test_continued_run_keeps_its_ending() -> None:
    ending = RunEnding(Outcome.FAILED, FailureCode.NO_ACCESS, "HTTP 401: Usuário não possui acesso")
    request = DownloadRequest("1000001-51.2026.8.11.0041", "api", RunProgress(listed=True, ending=ending))
    [decoded] = await CONVERTER.decode(await CONVERTER.encode([request]), [DownloadRequest])
    assert decoded == request
    assert decoded.progress.ending.failure_code is FailureCode.NO_ACCESS
    assert decoded.progress.ending.outcome is Outcome.FAILED


async def test_message_recorded_before_a_field_was_added_is_readable() -> None:
    [payload] = await CONVERTER.encode([DownloadRequest("1000001-51.2026.8.11.0041")])
    recorded = json.loads(payload.data)
    del recorded["client"]
    del recorded["progress"]["announced"]
    payload.data = json.dumps(recorded).encode()
    assert await CONVERTER.decode([payload], [DownloadRequest]) == [DownloadRequest("1000001-51.2026.8.11.0041")]
