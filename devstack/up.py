"""`autos up`: run the local stack until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from shlex import quote

import structlog
from rich.console import Console
from rich.markup import escape

from devstack.stack import Stack
from devstack.temporal_views import TEMPORAL_VIEWS

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def up(data_dir: Path | None, *, ephemeral_ports: bool, as_json: bool) -> None:
    """Start the stack, print its addresses to standard output, and run it until SIGINT, SIGTERM or SIGHUP.

    A second signal kills the services instead of waiting for them to finish.
    """
    os.umask(0o077)
    if ignored := sorted(name for name in os.environ if name.startswith("TEMPORAL_")):
        structlog.get_logger().warning(
            "the local stack runs its own Temporal; to use another one, run `autos api` and `autos worker`",
            ignored=ignored,
        )
    stack = Stack(data_dir, ephemeral_ports=ephemeral_ports)
    print_addresses = _print_json if as_json else _print_table
    stop_requested = asyncio.Event()

    def on_signal() -> None:
        if stop_requested.is_set():
            stack.kill()
        stop_requested.set()

    loop = asyncio.get_running_loop()
    for stop_signal in _STOP_SIGNALS:
        loop.add_signal_handler(stop_signal, on_signal)
    running = asyncio.create_task(_run(stack, print_addresses))
    stopping = asyncio.create_task(stop_requested.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        structlog.get_logger().info("stopping the local stack")
        running.cancel()
    stopping.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def _run(stack: Stack, print_addresses: Callable[[Stack], None]) -> None:
    async with stack:
        print_addresses(stack)
        await stack.wait()


def _print_json(stack: Stack) -> None:
    sys.stdout.write(json.dumps(stack.addresses()) + "\n")
    sys.stdout.flush()


def _print_table(stack: Stack) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for name, value in list_addresses(stack):
        console.print(f"[bold]{name:<22}[/]{escape(value)}")
    console.print("Press Ctrl-C to stop.")


def list_addresses(stack: Stack) -> list[tuple[str, str]]:
    """Return what a person needs to use the stack: the name of each thing, and where it is. No secrets."""
    addresses = {name: str(value) for name, value in stack.addresses().items()}
    ui = addresses["temporal_ui"]
    place = f"AUTOS_DATA_DIR={quote(str(stack.settings.data_dir))} TEMPORAL_ADDRESS={addresses['temporal']}"
    return [
        ("Page", f"{addresses['api']}/"),
        ("API", addresses["api"]),
        ("API documentation", f"{addresses['api']}/docs"),
        ("Temporal UI", ui),
        *((f"  {view.name}", view.link(ui)) for view in TEMPORAL_VIEWS),
        ("Temporal (gRPC)", addresses["temporal"]),
        ("S3", f"{addresses['s3']}, bucket {addresses['bucket']}"),
        ("Simulated court", addresses["simulator"]),
        ("S3 keys", stack.s3_keys_place),
        ("Webhook secret", stack.webhook_secret_place),
        ("Data", str(stack.settings.data_dir)),
        ("Logs", f"API and worker: here; the others: {stack.settings.data_dir / 'logs'}"),
        ("Check every part", f"{place} autos doctor"),
    ]
