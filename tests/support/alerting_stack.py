"""A stack that sends its alerts to a receiver, the operator's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.support.receiver import Receiver, running_receiver
from tests.support.secret_leaks import find_leaks
from tests.support.stack import RunningStack, running_stack


@contextmanager
def running_operator() -> Iterator[Receiver]:
    """Run the receiver of alerts. It gets its secret when the stack has started."""
    with running_receiver("") as running:
        yield running


@asynccontextmanager
async def running_alerting_stack(folder: Path, operator: Receiver, **variables: str) -> AsyncIterator[RunningStack]:
    """Run a stack that sends alerts to the operator. At its end, none of its files may hold a secret.

    Args:
        folder: Where it keeps its state.
        operator: The receiver, at whose path ``/alerts`` the events arrive.
        variables: How soon alerts are raised.
    """
    async with running_stack(folder, AUTOS_ALERT_WEBHOOK_URL=f"{operator.url}/alerts", **variables) as stack:
        operator.secret = stack.addresses["webhook_secret"]
        yield stack
        assert find_leaks(stack) == []
