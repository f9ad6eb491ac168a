"""Runs: followed and controlled, in the blocking client."""

from __future__ import annotations

from collections.abc import Iterator

from autos_client import flows, requests
from autos_client.blocking.connection import Connection
from autos_client.models import Status
from autos_client.streams import status_stream


class RunMethods(Connection):
    """Follow and control the runs of processes."""

    def status(self, number: str, *, wait: float | None = None) -> Status:
        """Get the status of a process, held back until it changes for up to ``wait`` seconds (30 at most)."""
        return self._call(requests.status(number, wait=wait))

    def wait(self, number: str, *, timeout: float | None = None) -> Status:
        """Wait until the process has no open run.

        Args:
            number: The process.
            timeout: Seconds to wait. ``None`` means no limit.

        Raises:
            TookTooLong: The time is over.
        """
        return self._run(flows.wait_until_ended(number, timeout, self._patience))

    def watch(self, number: str) -> Iterator[Status]:
        """Stream the status of a process at each change, until its run ends. Reconnects if the stream breaks."""
        yield from self._follow(status_stream(number))

    def retry(self, number: str) -> Status:
        """Retry what failed."""
        return self._call(requests.control(number, "retry"))

    def pause(self, number: str) -> Status:
        """Pause the open run: it starts no further document."""
        return self._call(requests.control(number, "pause"))

    def resume(self, number: str) -> Status:
        """Resume a paused run."""
        return self._call(requests.control(number, "resume"))

    def cancel(self, number: str) -> Status:
        """Cancel the open run. What is stored stays."""
        return self._call(requests.control(number, "cancel"))
