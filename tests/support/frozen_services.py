"""Services of a stack that are held still, so that what a test looks at is still there when it looks."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.stack import RunningStack


@contextmanager
def frozen_service(stack: RunningStack, service: str) -> Iterator[None]:
    """Keep a service from doing anything until the block ends."""
    pid = stack.get_pid(service)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
