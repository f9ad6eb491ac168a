"""Counts the progress of a download."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from autos_client.files import Stopped
from autos_client.models import Status
from autos_client.reports import Progress

_REPORT_EVERY_BYTES = 1024 * 1024


@dataclass
class ProgressCounter:
    """Counts what concurrent downloads do, and calls ``on_progress``, one call at a time."""

    on_progress: Callable[[Progress], None] | None
    progress: Progress | None = None
    _reported_bytes: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)
    # The blocking client downloads in threads.
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def set_status(self, status: Status) -> None:
        """Take the service's newest status."""
        self._update(lambda now: replace(now, status=status) if now else Progress(status))

    def add_bytes(self, number: int) -> None:
        """Count bytes. A negative number takes back what a failed attempt has counted.

        Raises:
            Stopped: The download is ended early.
        """
        if self._stopped.is_set():
            raise Stopped
        self._update(lambda now: now and replace(now, bytes=now.bytes + number), only_bytes=number > 0)

    def add_files(self, number: int) -> None:
        """Count files that are finished: saved, already there, or failed. A negative number takes some back."""
        self._update(lambda now: now and replace(now, files=now.files + number))

    def stop(self) -> None:
        """Make every download raise ``Stopped`` at its next bytes."""
        self._stopped.set()

    def _update(self, change: Callable[[Progress | None], Progress | None], *, only_bytes: bool = False) -> None:
        with self._lock:
            self.progress = change(self.progress)
            if self.on_progress is None or self.progress is None:
                return
            if only_bytes and 0 <= self.progress.bytes - self._reported_bytes < _REPORT_EVERY_BYTES:
                return
            self._reported_bytes = self.progress.bytes
            self.on_progress(self.progress)
