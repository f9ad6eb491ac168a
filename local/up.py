"""`autos up`: the local stack until somebody asks it to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog
from rich.console import Console
from rich.markup import escape

from local.stack import Stack

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def up(data_dir: Path | None, *, ephemeral_ports: bool, as_json: bool) -> None:
    """Start the stack, say on standard output where it is, and run it until SIGINT or SIGTERM.

    A second signal stops it without waiting for its parts to finish what they do.
    """
    os.umask(0o077)
    if named := sorted(name for name in os.environ if name.startswith("TEMPORAL_")):
        structlog.get_logger().warning(
            "the local stack runs a Temporal of its own: for another one, run `autos api` and `autos worker`",
            passed_over=named,
        )
    stack = Stack(data_dir, ephemeral_ports=ephemeral_ports)
    announce = _print_json if as_json else _print_addresses
    asked = asyncio.Event()

    def on_signal() -> None:
        if asked.is_set():
            stack.kill()
        asked.set()

    loop = asyncio.get_running_loop()
    for each in _SIGNALS:
        loop.add_signal_handler(each, on_signal)
    running = asyncio.create_task(_run(stack, announce))
    stop = asyncio.create_task(asked.wait())
    await asyncio.wait({running, stop}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        structlog.get_logger().info("stopping the local stack")
        running.cancel()
    stop.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def _run(stack: Stack, announce: Callable[[Stack], None]) -> None:
    async with stack:
        announce(stack)
        await stack.wait()


def _print_json(stack: Stack) -> None:
    sys.stdout.write(json.dumps(stack.addresses()) + "\n")
    sys.stdout.flush()


def _print_addresses(stack: Stack) -> None:
    addresses = stack.addresses()
    console = Console(highlight=False, soft_wrap=True)
    for name, value in (
        ("API", addresses["api"]),
        ("API documentation", f"{addresses['api']}/docs"),
        ("Temporal UI", addresses["temporal_ui"]),
        ("Temporal", addresses["temporal"]),
        ("S3", f"{addresses['s3']}, bucket {addresses['bucket']}"),
        ("Simulated court", addresses["simulator"]),
        ("Data and logs", stack.settings.data_dir),
    ):
        console.print(f"[bold]{name:<19}[/]{escape(str(value))}")
    console.print("Stop with Ctrl-C.")
