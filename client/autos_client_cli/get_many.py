"""Downloads many processes: all started at once, a few of them saved at a time."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from autos_client_cli.access import exit_code_for_problem, problem_text
from autos_client_cli.display import Display
from autos_client_cli.errors import ExitCode
from autos_client_cli.get_results import exit_code_for, json_of, print_failures, summary_of
from autos_client_cli.printing import print_json, print_line
from autos_client_cli.service_warnings import ServiceWarnings
from autos_client_cli.texts import t
from autos_client_cli.words import count_text, number_text

if TYPE_CHECKING:
    from autos_client import AsyncAutos, Forbidden, Progress

# More processes than these are started as batches: a batch costs a tenth of their units of the key's rate.
_MAX_SINGLE_STARTS = 20
_STARTS_AT_ONCE = 8
_BATCH_SIZE = 1000
_OPEN_ITEM_STATES = ("queued", "processing")
# Decisions about a request that leave nothing for the service to do.
_NOTHING_TO_RUN = ("complete", "settled")
# The API's code for what the key's scopes do not allow.
_MAY_NOT_START = "forbidden"
# A longer command line is not printed again.
_MAX_COMMAND_LENGTH = 500


@dataclass(frozen=True, slots=True)
class GetOptions:
    """The options of `get`.

    Attributes:
        output: Where a folder for each process is made.
        jobs: How many processes are followed and saved at once.
    """

    output: Path
    jobs: int
    wait: bool
    overwrite: bool
    as_json: bool
    quiet: bool


class ManyDownloads:
    """The downloads of one command, and what became of each."""

    def __init__(self, program: str, numbers: Sequence[str], options: GetOptions, display: Display) -> None:
        """Start with nothing done."""
        self._program = program
        self._numbers = numbers
        self._options = options
        self._display = display
        self._queue = iter(numbers)
        # Accepted by the service, maybe as a part of a batch; and the batch of each.
        self._started: set[str] = set()
        self._batch_ids: dict[str, str] = {}
        # Their status is the one that was asked for, so that they need no request in their turn.
        self._answered: set[str] = set()
        self._ended: set[str] = set()
        self._warnings = ServiceWarnings(self._print_above)
        self.results: dict[str, ExitCode] = {}

    async def run(self, autos: AsyncAutos) -> None:
        """Download every process.

        Raises:
            AutosError: What stops all of them: the API does not answer, or refuses the key.
        """
        with self._display.shown(), _first_error():
            await self._start_all(autos)
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._options.jobs, len(self._numbers))):
                    group.create_task(self._work(autos))

    async def _start_all(self, autos: AsyncAutos) -> None:
        """Have the service begin with every process, so that it works on them while the first are saved."""
        if len(self._numbers) > _MAX_SINGLE_STARTS:
            for first in range(0, len(self._numbers), _BATCH_SIZE):
                chunk = self._numbers[first : first + _BATCH_SIZE]
                try:
                    # A second batch of the same processes changes nothing.
                    batch = await autos.batch(chunk, repeatable=True)
                except _key_error() as problem:
                    self._read_only(chunk, problem)
                    continue
                self._batch_ids.update(dict.fromkeys(chunk, batch.id))
                self._started.update(chunk)
                if batch.ended_at is None:
                    self._warnings.note(batch.warnings, about=t("Batch {id}", id=batch.id))
            return
        semaphore = asyncio.Semaphore(_STARTS_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for number in self._numbers:
                group.create_task(self._start(autos, number, semaphore))

    async def _start(self, autos: AsyncAutos, number: str, semaphore: asyncio.Semaphore) -> None:
        async with semaphore:
            try:
                process = await autos.request(number)
            except _key_error() as problem:
                self._read_only([number], problem)
            except _errors_of_one_process() as problem:
                self._fail(number, problem_text(problem), exit_code_for_problem(problem))
            else:
                self._started.add(number)
                self._answered.add(number)
                if process.decision in _NOTHING_TO_RUN:
                    self._ended.add(number)
                else:
                    self._warnings.note(process.warnings, about=number)

    def _read_only(self, numbers: Sequence[str], problem: Forbidden) -> None:
        """Have processes saved as far as the service has them, because the key may not start downloads.

        Raises:
            Forbidden: The key is refused for another reason.
        """
        if problem.code != _MAY_NOT_START:
            raise problem
        if not self._answered:
            self._print_above(t("This key may not start downloads. What the service has is saved."))
        self._answered.update(numbers)

    async def _needs_request(self, autos: AsyncAutos, number: str) -> bool:
        """Return whether a process must be requested in its turn.

        One of a batch must, unless the batch has ended it: until the run is recorded, the status is the former one.
        Reading the batch costs a tenth of a request.
        """
        if number not in self._answered:
            batch = await autos.batch_status(self._batch_ids[number])
            ended = (item for item in batch.items if item.state not in _OPEN_ITEM_STATES)
            self._answered.update(item.process_number or "" for item in ended)
        return number not in self._answered

    async def _work(self, autos: AsyncAutos) -> None:
        for number in self._queue:
            if number not in self.results:
                self._display.totals.update(number, None)
                await self._download(autos, number)

    async def _download(self, autos: AsyncAutos, number: str) -> None:
        options, folder = self._options, self._options.output / number
        try:
            report = await autos.download(
                number,
                to=folder,
                wait=options.wait,
                overwrite=options.overwrite,
                start=await self._needs_request(autos, number),
                on_progress=partial(self._note_progress, number),
            )
        except OSError as error:
            text = t("Cannot save in {folder}: {reason}.", folder=folder, reason=error.strerror or error)
            self._fail(number, text, ExitCode.USAGE)
            return
        except _errors_of_one_process() as problem:
            self._fail(number, problem_text(problem), exit_code_for_problem(problem))
            return
        self._finish(number, exit_code_for(report))
        with self._display.interrupted():
            if options.as_json:
                print_json(json_of(report))
            elif not options.quiet:
                print_line(summary_of(report))
            print_failures(report)

    def _note_progress(self, number: str, progress: Progress) -> None:
        self._display.totals.update(number, progress)
        if progress.status.ended:
            self._ended.add(number)
        else:
            self._warnings.note(progress.status.warnings, about=number)

    def _fail(self, number: str, text: str, code: ExitCode) -> None:
        self._finish(number, code)
        self._print_above(f"{number}: {text}")

    def _print_above(self, text: str) -> None:
        with self._display.interrupted():
            print_line(text, err=True)

    def _finish(self, number: str, code: ExitCode) -> None:
        self.results[number] = code
        self._display.totals.finish(number)

    def describe_rest(self) -> str:
        """Return what is saved, what goes on, and how to get the rest. Empty if nothing was started."""
        if not self._started:
            return ""
        going_on = len(self._started - self._ended - self.results.keys())
        not_started = len(set(self._numbers) - self._started - self.results.keys())
        lines = [
            t(
                "Finished: {finished} of {all} processes.",
                finished=number_text(len(self.results)),
                all=number_text(len(self._numbers)),
            )
        ]
        if going_on and self._warnings.lacks_worker:
            lines.append(
                count_text(
                    going_on,
                    t("The service keeps {count} request, and works on it as soon as a worker is back."),
                    t("The service keeps {count} requests, and works on them as soon as a worker is back."),
                )
            )
        elif going_on:
            lines.append(
                count_text(
                    going_on,
                    t("The service goes on downloading {count} process; nothing is lost."),
                    t("The service goes on downloading {count} processes; nothing is lost."),
                )
            )
        if not_started:
            lines.append(
                count_text(not_started, t("{count} process was not started."), t("{count} were not started."))
            )
        if len(self.results) < len(self._numbers):
            command = shlex.join((self._program, *sys.argv[1:]))
            shown = f"\n  {command}" if len(command) <= _MAX_COMMAND_LENGTH else ""
            lines.append(t("Run the same command again to get the rest:") + shown)
        return "\n".join(lines)


@contextmanager
def _first_error() -> Iterator[None]:
    """Raise the first error of a task group instead of the group."""
    try:
        yield
    except ExceptionGroup as group:
        first = group.exceptions[0]
    else:
        return
    raise first


def _key_error() -> type[Forbidden]:
    from autos_client import Forbidden

    return Forbidden


def _errors_of_one_process() -> tuple[type[Exception], ...]:
    """Return the errors that say nothing about other processes. Imported late, as all of ``autos_client``."""
    from autos_client import Conflict, Invalid, NotFound

    return (Conflict, Invalid, NotFound)
