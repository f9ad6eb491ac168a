"""`make demo`: one process, 31 documents, from the request to working download links, on real services.

Starts a local stack with free ports in a temporary folder, acts as a client, and stops everything again. The exit
code is 0 only if every check passes.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from standardwebhooks import Webhook, WebhookVerificationError

from adapters.logs import configure_logging
from devstack.hard_exit import hard_exit
from devstack.isolation import isolated_settings
from devstack.stack import Stack
from domain.errors import AutosError

NUMBER = "1011745-77.2025.8.11.0041"
DOCUMENTS = 31
DEADLINE_SECONDS = 120

console = Console(highlight=False, soft_wrap=True)


class Checks:
    """The checks of the demo, and whether each passed."""

    def __init__(self) -> None:
        """Start with no checks."""
        self.passed: list[bool] = []

    def record(self, passed: bool, text: str) -> None:
        """Record and print the result of a check."""
        self.passed.append(passed)
        console.print(f"  [green]✓[/] {text}" if passed else f"  [red]✗[/] {text}")


async def demo() -> bool:
    """Run every step. Returns whether all checks passed."""
    checks = Checks()
    console.print("Starting Temporal, S3, a simulated court, the API and the worker …")
    begun = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="autos-demo-") as folder,
        isolated_settings(Path(folder), {"AUTOS_LOG_LEVEL": "warning"}, removed_prefixes=("AUTOS_",)),
    ):
        async with Stack(Path(folder), ephemeral_ports=True) as stack:
            console.print(f"  all ready in {time.perf_counter() - begun:.1f} s")
            addresses = stack.addresses()
            with webhook_receiver(str(addresses["webhook_secret"])) as (webhook_url, events):
                async with httpx2.AsyncClient(
                    base_url=str(addresses["api"]), trust_env=False, timeout=30
                ) as client:
                    await asyncio.wait_for(run_steps(client, webhook_url, events, checks), DEADLINE_SECONDS)
    return all(checks.passed)


async def run_steps(client: httpx2.AsyncClient, webhook_url: str, events: Events, checks: Checks) -> None:
    """Act as a client: request, poll, receive the webhook, request again, open the links."""
    path = f"/processes/{NUMBER}"

    console.print(f"\n[bold]1. Request the process[/]\n  GET {path}?auto_download=true&webhook_url={webhook_url}")
    begun = time.perf_counter()
    first = await client.get(path, params={"auto_download": "true", "webhook_url": webhook_url})
    first_ms = milliseconds_since(begun)
    decision = first.json().get("decision")
    checks.record(first.status_code == 202 and decision == "started", f"{first.status_code} {decision}, {first_ms}")

    console.print(f"\n[bold]2. Follow its status[/]\n  GET {path}/status")
    status = await poll_until_ended(client, f"{path}/status")
    seconds = time.perf_counter() - begun
    available, total = status["available_documents"], status["total_documents"]
    checks.record(
        (status["status"], available, total) == ("completed", DOCUMENTS, DOCUMENTS),
        f"{available} of {total} documents, {status['available_bytes']:,} bytes, in {seconds:.1f} s",
    )

    console.print("\n[bold]3. Receive the webhook[/]")
    event_type, verified = await asyncio.wait_for(events.get(), 30)
    checks.record(
        verified, f"{event_type} received {time.perf_counter() - begun:.1f} s after the request, signature verified"
    )

    console.print(f"\n[bold]4. Request it again[/]\n  GET {path}?auto_download=true")
    begun = time.perf_counter()
    again = await client.get(path, params={"auto_download": "true"})
    again_ms = milliseconds_since(begun)
    decision = again.json().get("decision")
    checks.record(
        again.status_code == 200 and decision == "complete",
        f"{again.status_code} {decision}: answered from the catalog, no new run, {again_ms}",
    )

    console.print("\n[bold]5. Open the download links[/]")
    documents = again.json()["documents"]
    begun = time.perf_counter()
    opened = await asyncio.gather(*(link_serves_document(client, document) for document in documents))
    checks.record(
        sum(opened) == len(documents) == DOCUMENTS,
        f"{sum(opened)} of {DOCUMENTS} opened, size and SHA-256 as stated, {milliseconds_since(begun)}",
    )


async def poll_until_ended(client: httpx2.AsyncClient, path: str) -> dict[str, Any]:
    """Show the progress until the run has ended. Returns the last status."""
    columns = TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=None)
        while True:
            status: dict[str, Any] = (await client.get(path)).raise_for_status().json()
            ended = status["status"] != "processing"
            progress.update(
                bar,
                description=str(status["status"] if ended else status["phase"] or "starting"),
                total=status["total_documents"] or None,
                completed=status["available_documents"],
            )
            if ended:
                return status
            await asyncio.sleep(0.1)


async def link_serves_document(client: httpx2.AsyncClient, document: dict[str, Any]) -> bool:
    """Return whether a document's link serves the size and the SHA-256 that the API states."""
    response = await client.get(document["download_url"])
    content = response.content
    return (
        response.status_code == 200
        and len(content) == document["size_bytes"]
        and hashlib.sha256(content).hexdigest() == document["sha256"]
    )


Events = asyncio.Queue[tuple[str, bool]]


@contextmanager
def webhook_receiver(secret: str) -> Iterator[tuple[str, Events]]:
    """Run a client's webhook endpoint.

    Yields:
        Its URL, and a queue with each event's type and whether its signature is valid.
    """
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
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/webhook", events
        finally:
            server.shutdown()
            thread.join()


def milliseconds_since(begun: float) -> str:
    """Format the time since ``begun``, a value of ``time.perf_counter``."""
    return f"{1000 * (time.perf_counter() - begun):.0f} ms"


def main() -> None:
    """Run the demo."""
    configure_logging("auto", "warning")
    begun = time.perf_counter()
    try:
        passed = asyncio.run(demo())
    except (AutosError, httpx2.HTTPError, TimeoutError) as error:
        console.print(f"[red]The demo failed:[/] {str(error) or 'it took too long.'}")
        hard_exit(1)
    except KeyboardInterrupt:
        hard_exit(130)
    console.print(
        f"\n[bold]{'All checks passed' if passed else 'Some checks failed'}[/], everything is stopped again; "
        f"{time.perf_counter() - begun:.1f} s in total."
    )
    console.print("Next: `make up` keeps the stack running; see its runs in Temporal's UI, http://127.0.0.1:8233.")
    hard_exit(0 if passed else 1)


if __name__ == "__main__":
    main()
