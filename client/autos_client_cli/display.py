"""The live display of `get` in a terminal: one line for each active process, and the totals."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autos_client_cli.printing import rich_text
from autos_client_cli.texts import t
from autos_client_cli.words import count_text, decimal_text, duration_text, number_text, size_text, status_words

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table

    from autos_client import Progress

_MAX_LINES = 10
_REFRESHES_PER_SECOND = 4
# The rate is that of the last seconds.
_RATE_SECONDS = 20.0
_NARROW_COLUMNS = 70


class Totals:
    """Counts over all processes, and their rate.

    Args:
        processes: How many processes are to be downloaded.
    """

    def __init__(self, processes: int) -> None:
        """Start with nothing done."""
        self.processes = processes
        self.finished: set[str] = set()
        self.active: dict[str, Progress | None] = {}
        self._known: dict[str, Progress] = {}
        self._samples: deque[tuple[float, int, int]] = deque()

    def update(self, number: str, progress: Progress | None) -> None:
        """Take the progress of a process; ``None`` at its beginning."""
        self.active[number] = progress
        if progress is not None:
            self._known[number] = progress

    def finish(self, number: str) -> None:
        """Take note that nothing more comes for a process."""
        self.active.pop(number, None)
        self.finished.add(number)

    @property
    def files(self) -> int:
        """Files that are finished, in all processes."""
        return sum(progress.files for progress in self._known.copy().values())

    @property
    def bytes(self) -> int:
        """Bytes that are there, in all processes."""
        return sum(progress.bytes for progress in self._known.copy().values())

    @property
    def documents(self) -> int:
        """Documents that are listed, in the processes that are known so far."""
        return sum(progress.status.total_documents for progress in self._known.copy().values())

    def rates(self, now: float) -> tuple[float, float]:
        """Return files and bytes a second, measured over the last calls."""
        self._samples.append((now, self.files, self.bytes))
        while now - self._samples[0][0] > _RATE_SECONDS:
            self._samples.popleft()
        began_at, files, size = self._samples[0]
        seconds = now - began_at
        if seconds < 1:
            return 0.0, 0.0
        return max(0.0, (self.files - files) / seconds), max(0.0, (self.bytes - size) / seconds)

    def seconds_left(self, files_per_second: float) -> float | None:
        """Return the time that the rest takes at this rate. ``None`` if that cannot be known yet."""
        is_known = len(self._known) == self.processes and all(
            progress.status.total_documents for number, progress in self._known.items() if number in self.active
        )
        rest = self.documents - self.files
        return rest / files_per_second if is_known and rest > 0 and files_per_second > 0 else None


class Display:
    """Shows nothing: standard error is not a terminal, or the user wants quiet."""

    def __init__(self, processes: int) -> None:
        """Start with nothing done."""
        self.totals = Totals(processes)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the display during the block."""
        yield

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """Let the block print lines, which stay above the display."""
        yield


class LiveDisplay(Display):
    """Lines that change in place."""

    def __init__(self, processes: int, console: Console) -> None:
        """Prepare the display. ``shown`` shows it."""
        super().__init__(processes)
        self._console = console
        self._live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the display during the block."""
        self._start()
        try:
            yield
        finally:
            self._stop()

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """Let the block print lines, which stay above the display."""
        was_shown = self._live is not None
        self._stop()
        try:
            yield
        finally:
            if was_shown:
                self._start()

    def _start(self) -> None:
        from rich.live import Live

        # A new one each time: one that is started again erases what was printed since.
        self._live = Live(
            get_renderable=self._render,
            console=self._console,
            transient=True,
            refresh_per_second=_REFRESHES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _render(self) -> Group:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        is_narrow = self._console.width < _NARROW_COLUMNS
        lines = Table.grid(padding=(0, 1), expand=True)
        lines.add_column(no_wrap=True)
        lines.add_column(no_wrap=True, overflow="ellipsis", max_width=22)
        if not is_narrow:
            lines.add_column(ratio=1, max_width=40)
        lines.add_column(no_wrap=True, justify="right")
        lines.add_column(no_wrap=True, justify="right")
        active = list(self.totals.active.items())
        for number, progress in active[:_MAX_LINES]:
            words, done, total, size = t("starting"), 0, 0, ""
            if progress is not None:
                status = progress.status
                words = status_words(status.status, status.phase) if not status.ended else t("saving")
                done, total, size = progress.files, status.total_documents, size_text(progress.bytes)
            bar = ProgressBar(total=total or None, completed=done, pulse=not total)
            counts = f"{number_text(done)}/{number_text(total)}" if total else ""
            shown = () if is_narrow else (bar,)
            lines.add_row(rich_text(number), rich_text(words), *shown, counts, size)
        return self._with_totals(lines, len(active) - _MAX_LINES)

    def _with_totals(self, lines: Table, hidden: int) -> Group:
        from rich.console import Group

        totals = self.totals
        files, size = totals.rates(time.monotonic())
        left = totals.seconds_left(files)
        parts = [
            t(
                "{finished} of {all} processes",
                finished=number_text(len(totals.finished)),
                all=number_text(totals.processes),
            )
            if totals.processes > 1
            else "",
            count_text(totals.files, t("{count} document"), t("{count} documents")) + f" ({decimal_text(files)}/s)",
            f"{size_text(totals.bytes)} ({size_text(size)}/s)",
            t("{time} left", time=duration_text(left)) if left is not None else "",
        ]
        if hidden > 0:
            parts.insert(1, t("{count} more under way", count=hidden))
        # The last line is not padded: at the end of a full line, the terminal's `^C` begins another one.
        return Group(lines, rich_text(" · ".join(part for part in parts if part), style="dim"))


def make_display(processes: int, *, quiet: bool) -> Display:
    """Return the display for this terminal."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if quiet or not console.is_terminal or console.is_dumb_terminal:
        return Display(processes)
    return LiveDisplay(processes, console)
