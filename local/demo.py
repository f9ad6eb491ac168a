"""`make demo`: one process, 31 documents, from the request to links that open, on real parts of your own.

Starts the local stack in a folder of its own with free ports, plays a client, and stops everything again.
Ends with 0 only if every check holds.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from standardwebhooks import Webhook, WebhookVerificationError

from adapters.logs import configure_logging
from domain.errors import AutosError
from local.leaving import leave
from local.stack import Stack

NUMBER = "1011745-77.2025.8.11.0041"
DOCUMENTS = 31
DEADLINE_SECONDS = 120

console = Console(highlight=False, soft_wrap=True)


class Checks:
    """What the demo promises, and whether it held."""

    def __init__(self) -> None:
        """Begin with nothing checked."""
        self.passed: list[bool] = []

    def that(self, holds: bool, text: str) -> None:
        """Say what was found."""
        self.passed.append(holds)
        console.print(f"  [green]✓[/] {text}" if holds else f"  [red]✗[/] {text}")


async def demo() -> bool:
    """Show every step. Returns whether all of them held."""
    checks = Checks()
    console.print("Starting Temporal, S3, a simulated court, the API and the worker …")
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="autos-demo-") as folder, working_in(folder):
        async with Stack(Path(folder), ephemeral_ports=True) as stack:
            console.print(f"  all ready in {time.perf_counter() - begun:.1f} s")
            addresses = stack.addresses()
            with webhook_receiver(str(addresses["webhook_secret"])) as (webhook_url, events):
                async with httpx.AsyncClient(base_url=str(addresses["api"]), trust_env=False, timeout=30) as client:
                    await asyncio.wait_for(show(client, webhook_url, events, checks), DEADLINE_SECONDS)
    return all(checks.passed)


async def show(client: httpx.AsyncClient, webhook_url: str, events: Events, checks: Checks) -> None:
    """Be a client: ask, watch, be called back, ask again, open the links."""
    path = f"/processes/{NUMBER}"

    console.print(f"\n[bold]1. Ask for the process[/]\n  GET {path}?auto_download=true&webhook_url={webhook_url}")
    begun = time.perf_counter()
    first = await client.get(path, params={"auto_download": "true", "webhook_url": webhook_url})
    asked_ms = milliseconds_since(begun)
    decision = first.json().get("decision")
    checks.that(first.status_code == 202 and decision == "started", f"{first.status_code} {decision}, {asked_ms}")

    console.print(f"\n[bold]2. Watch it[/]\n  GET {path}/status")
    status = await watch(client, f"{path}/status")
    downloaded_s = time.perf_counter() - begun
    available, total = status["available_documents"], status["total_documents"]
    checks.that(
        (status["status"], available, total) == ("completed", DOCUMENTS, DOCUMENTS),
        f"{available} of {total} documents, {status['available_bytes']:,} bytes, in {downloaded_s:.1f} s",
    )

    console.print("\n[bold]3. Be called back[/]")
    kind, verified = await asyncio.wait_for(events.get(), 30)
    checks.that(
        verified, f"{kind} received {time.perf_counter() - begun:.1f} s after the request, signature verified"
    )

    console.print(f"\n[bold]4. Ask again[/]\n  GET {path}?auto_download=true")
    begun = time.perf_counter()
    again = await client.get(path, params={"auto_download": "true"})
    again_ms = milliseconds_since(begun)
    decision = again.json().get("decision")
    checks.that(
        again.status_code == 200 and decision == "complete",
        f"{again.status_code} {decision}: the catalog answers and no run is started, {again_ms}",
    )

    console.print("\n[bold]5. Open the links[/]")
    documents = again.json()["documents"]
    begun = time.perf_counter()
    opened = await asyncio.gather(*(opens(client, document) for document in documents))
    checks.that(
        sum(opened) == len(documents) == DOCUMENTS,
        f"{sum(opened)} of {DOCUMENTS} open, with the length and the SHA-256 that were stated, "
        f"{milliseconds_since(begun)}",
    )


async def watch(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """Show the progress until the run is over. Returns the last status."""
    columns = TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=None)
        while True:
            status: dict[str, Any] = (await client.get(path)).raise_for_status().json()
            over = status["status"] != "processing"
            progress.update(
                bar,
                description=str(status["status"] if over else status["phase"] or "starting"),
                total=status["total_documents"] or None,
                completed=status["available_documents"],
            )
            if over:
                return status
            await asyncio.sleep(0.1)


async def opens(client: httpx.AsyncClient, document: dict[str, Any]) -> bool:
    """Whether a document's link gives the very bytes that the answer states."""
    answer = await client.get(document["download_url"])
    content = answer.content
    return (
        answer.status_code == 200
        and len(content) == document["size_bytes"]
        and hashlib.sha256(content).hexdigest() == document["sha256"]
    )


Events = asyncio.Queue[tuple[str, bool]]


@contextmanager
def webhook_receiver(secret: str) -> Iterator[tuple[str, Events]]:
    """Run a client's webhook endpoint. Yields its address, and of each event its type and whether it is genuine."""
    events: Events = asyncio.Queue()
    loop = asyncio.get_running_loop()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                event, verified = Webhook(secret).verify(body, dict(self.headers)), True
            except (WebhookVerificationError, ValueError):
                event, verified = {"type": "an event"}, False
            self.send_response(204 if verified else 401)
            self.end_headers()
            loop.call_soon_threadsafe(events.put_nowait, (event["type"], verified))

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/webhook", events
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def working_in(folder: str) -> Iterator[None]:
    """Leave what the user has set aside: variables, and the `.env` of the present folder."""
    for name in [name for name in os.environ if name.startswith("AUTOS_") and not name.endswith("_BIN")]:
        del os.environ[name]
    os.environ["AUTOS_LOG_LEVEL"] = "warning"
    former = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(former)


def milliseconds_since(begun: float) -> str:
    """Say how long something took."""
    return f"{1000 * (time.perf_counter() - begun):.0f} ms"


def main() -> None:
    """Run the demo."""
    configure_logging("auto", "warning")
    begun = time.perf_counter()
    try:
        held = asyncio.run(demo())
    except (AutosError, httpx.HTTPError, TimeoutError) as error:
        console.print(f"[red]The demo failed:[/] {str(error) or 'it took too long.'}")
        leave(1)
    except KeyboardInterrupt:
        leave(130)
    console.print(
        f"\n[bold]{'All checks hold' if held else 'Not all checks hold'}[/], everything is stopped again; "
        f"{time.perf_counter() - begun:.1f} s in all."
    )
    console.print("Next: `make up` keeps the stack running; see its runs in Temporal's UI, http://127.0.0.1:8233.")
    leave(0 if held else 1)


if __name__ == "__main__":
    main()
