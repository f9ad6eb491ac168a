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
    former = {number: signal.getsignal(number) for number in _SIGNALS}
    handled = [number for number, handler in former.items() if handler is not signal.SIG_IGN]

    def interrupt(*_: object) -> None:
        nonlocal was_interrupted
        was_interrupted = True
        for number in handled:
            signal.signal(number, _end_at_once)
        loop.call_soon_threadsafe(task.cancel)

    # Not the event loop's own handlers: Windows has none, and they would wait for a loop that is busy.
    for number in handled:
        signal.signal(number, interrupt)
    try:
        return await task
    except asyncio.CancelledError:
        if was_interrupted:
            raise Interrupted from None
        raise
    finally:
        if not was_interrupted:
            for number in handled:
                signal.signal(number, former[number] or signal.SIG_DFL)


def _end_at_once(*_: object) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(_SHOW_CURSOR)
        sys.stderr.flush()
    os._exit(ExitCode.INTERRUPTED)
