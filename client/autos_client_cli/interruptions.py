"""Ctrl-C and SIGTERM: the first ends the work in an orderly way, the second ends the program at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from autos_client_cli.errors import ExitCode

T = TypeVar("T")
# SIGHUP: the terminal was closed. Windows has none.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
_SHOW_CURSOR = "\x1b[?25h"


class Interrupted(Exception):
    """The work was interrupted before its end."""


def run_interruptibly(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end.

    Raises:
        Interrupted: A signal has come. The coroutine was cancelled.
    """
    return asyncio.run(_run_with_signals(work))


async def _run_with_signals(work: Coroutine[Any, Any, T]) -> T:
    loop, task, was_interrupted = asyncio.get_running_loop(), asyncio.ensure_future(work), False
    # `nohup` has the program ignore SIGHUP, and a shell's `&` may have it ignore SIGINT.
    signals = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]

    def interrupt() -> None:
        nonlocal was_interrupted
        was_interrupted = True
        for number in signals:
            loop.remove_signal_handler(number)
            # A plain handler, since the event loop may be busy.
            signal.signal(number, _end_at_once)
        task.cancel()

    try:
        for number in signals:
            loop.add_signal_handler(number, interrupt)
    except NotImplementedError:  # Windows. Ctrl-C raises KeyboardInterrupt there.
        pass
    try:
        return await task
    except asyncio.CancelledError:
        if was_interrupted:
            raise Interrupted from None
        raise


def _end_at_once(*_: object) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(_SHOW_CURSOR)
        sys.stderr.flush()
    os._exit(ExitCode.INTERRUPTED)
