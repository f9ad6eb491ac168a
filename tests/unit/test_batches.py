"""Parsing a batch request, and the states of its items."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.batches import Batch, BatchItem, ItemState, read_items
from domain.completeness import Decision, Outcome
from domain.process_number import ProcessNumber
from tests.support.numbers import fresh_number


def make_item(decision: Decision | None, outcome: Outcome | None = None) -> BatchItem:
    """Return an item with a process number."""
    return BatchItem(1, "", process_number=fresh_number(), decision=decision, outcome=outcome)


def test_both_forms_of_a_number_are_deduplicated_in_input_order() -> None:
    first, second = fresh_number(), fresh_number()
    digits = ProcessNumber.parse(first).digits
    items, duplicates = read_items([digits, second, first, f" {first} ", second])
    assert [(one.position, one.given, one.process_number) for one in items] == [
        (1, digits, first),
        (2, second, second),
    ]
    assert duplicates == 3


def test_invalid_numbers_keep_their_position_and_problem() -> None:
    wrong = "1011745-78.2025.8.11.0041"
    items, duplicates = read_items(["nonsense", wrong, "nonsense"])
    assert [(one.position, one.problem_code, one.state) for one in items] == [
        (place, "invalid_process_number", ItemState.INVALID) for place in (1, 2, 3)
    ]
    assert "would be 77" in (items[1].problem_detail or "")
    assert duplicates == 0


def test_invalid_input_is_kept_in_a_storable_form() -> None:
    [long, nul], _ = read_items(["9" * 5000, "a\0b"])
    assert long.given == "9" * 64
    assert nul.given == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(
    ("decision", "outcome", "state"),
    [
        (None, None, ItemState.QUEUED),
        (Decision.STARTED, None, ItemState.PROCESSING),
        (Decision.ACTIVE, None, ItemState.PROCESSING),
        (Decision.STARTED, Outcome.CANCELLED, ItemState.CANCELLED),
        (Decision.ACTIVE, Outcome.PARTIAL, ItemState.PARTIAL),
        (Decision.SETTLED, Outcome.FAILED, ItemState.FAILED),
        (Decision.COMPLETE, Outcome.COMPLETED, ItemState.COMPLETED),
    ],
)
def test_item_state_follows_from_decision_and_outcome(
    decision: Decision | None, outcome: Outcome | None, state: ItemState
) -> None:
    assert make_item(decision, outcome).state is state


def test_every_item_is_counted_once() -> None:
    items = (
        make_item(None),
        make_item(None),
        make_item(Decision.STARTED),
        BatchItem(9, "nonsense", problem_code="x"),
    )
    counts = Batch("0" * 32, "local", datetime.now(UTC), 4, items).counts
    assert {state: amount for state, amount in counts.items() if amount} == {
        ItemState.QUEUED: 2,
        ItemState.PROCESSING: 1,
        ItemState.INVALID: 1,
    }
    assert set(counts) == set(ItemState)
