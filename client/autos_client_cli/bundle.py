"""`bundle`: the documents of a process in one file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autos_client_cli.access import command_context, open_async_client, translating_problems
from autos_client_cli.command_help import examples
from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.interruptions import Interrupted, run_interruptibly
from autos_client_cli.options import DEFAULT_PATIENCE, AsJson, PatienceTime, Quiet, patience_seconds
from autos_client_cli.printing import print_json_lines, print_line, printable
from autos_client_cli.process_numbers import canonical_number
from autos_client_cli.texts import t
from autos_client_cli.words import count_text, number_text, size_text

if TYPE_CHECKING:
    from rich.status import Status

    from autos_client import Bundle, BundleState

BUNDLE_HELP = t(
    "Save the stored documents of a process as one file: a PDF with a cover, a table and bookmarks, or a ZIP.\n\n"
    "The name of the file decides which. The service builds it once; the same command again takes it from there. A "
    "download that broke off goes on where it ended. What is not inside is named, here and in the file.\n\n"
    "Exit codes: 0 every document is inside, 6 some are not, 3 the process is not known, 7 the file cannot be "
    "built, 5 the API does not answer, 130 interrupted."
)
BUNDLE_EXAMPLES = examples(
    "bundle 1011745-77.2025.8.11.0041 -o autos.pdf",
    "bundle 1011745-77.2025.8.11.0041 -o autos.zip --instance G1 --from 2025-01-01",
)
_ENDINGS = {".pdf": "pdf", ".zip": "zip"}
_REFRESH_SECONDS = 0.25
_MAX_NAMED = 20


def bundle(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar=t("NUMBER"), help=t("The process number."))],
    output: Annotated[
        Path,
        typer.Option(*("-o", "--output"), metavar=t("FILE"), help=t("The file: its name ends in .pdf or .zip.")),
    ],
    instance: Annotated[
        list[str] | None,
        typer.Option(metavar=t("NAME"), help=t("Only this instance, as in G1. May be repeated.")),
    ] = None,
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", metavar=t("NAME"), help=t("Only this type of document. May be repeated.")),
    ] = None,
    filed_from: Annotated[
        datetime | None,
        typer.Option(
            "--from", metavar=t("DAY"), formats=["%Y-%m-%d"], help=t("Only what was filed on that day or later.")
        ),
    ] = None,
    filed_to: Annotated[
        datetime | None,
        typer.Option(
            "--to", metavar=t("DAY"), formats=["%Y-%m-%d"], help=t("Only what was filed on that day or earlier.")
        ),
    ] = None,
    document: Annotated[
        list[str] | None, typer.Option(metavar="ID", help=t("Only this document. May be repeated."))
    ] = None,
    order: Annotated[
        str,
        typer.Option(
            metavar="filed|listed",
            show_default=False,
            help=t("filed: by instance and filing date (the default). listed: as the court lists them."),
        ),
    ] = "filed",
    patience: PatienceTime = DEFAULT_PATIENCE,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help=t("Replace a file of that name with other content."))
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Save the stored documents of a process as one file."""
    number = canonical_number(number)
    bundle_format = _ENDINGS.get(output.suffix.lower())
    if bundle_format is None:
        raise CommandError(t("The name of the file has to end in .pdf or .zip."), ExitCode.USAGE)
    if order not in ("filed", "listed"):
        raise CommandError(t("--order is filed or listed."), ExitCode.USAGE)
    seconds = patience_seconds(patience)

    async def save() -> Bundle:
        with _display(quiet=quiet) as (show, print_above):
            async with open_async_client(context, seconds, print_above) as autos:
                return await autos.save_bundle(
                    *(number, output, bundle_format),
                    instances=instance or None,
                    types=type_ or None,
                    filed_from=filed_from.date() if filed_from else None,
                    filed_to=filed_to.date() if filed_to else None,
                    document_ids=document or None,
                    order=order,
                    overwrite=overwrite,
                    on_progress=show,
                )

    saved = _run(lambda: run_interruptibly(save()), command_context(context).program)
    _report(saved, output, as_json=as_json, quiet=quiet)
    raise typer.Exit(ExitCode.PARTIAL if saved.omitted else ExitCode.OK)


def _run(save: Callable[[], Bundle], program: str) -> Bundle:
    """Run the work, and turn its errors into command errors.

    Raises:
        CommandError: It has failed or was interrupted.
    """
    from autos_client import BundleFailed

    try:
        with translating_problems():
            return save()
    except Interrupted:
        text = t("Interrupted. The same command goes on where it ended.")
        raise CommandError(text, ExitCode.INTERRUPTED) from None
    except BundleFailed as error:
        raise CommandError(printable(str(error)), ExitCode.FATAL) from None
    except FileExistsError as error:
        text = printable(str(error)) + " " + t("With --overwrite, it is replaced.")
        raise CommandError(text, ExitCode.FATAL) from None
    except OSError as error:
        text = t("The file cannot be written: {reason}.", reason=error.strerror or type(error).__name__)
        raise CommandError(text, ExitCode.USAGE) from None


def _report(saved: Bundle, output: Path, *, as_json: bool, quiet: bool) -> None:
    omitted = saved.omitted or ()
    if as_json:
        print_json_lines([saved])
    elif not quiet:
        pages = count_text(saved.pages, t("{count} page"), t("{count} pages")) + ", " if saved.pages else ""
        print_line(f"{printable(str(output))}: {pages}{size_text(saved.bytes or 0)}")
    if omitted:
        print_line(t("Not inside:"), err=True)
    for each in omitted[:_MAX_NAMED]:
        name = printable(each.name or t("a document without a name") if each.document_id else t("withheld"))
        print_line(f"  {each.position:03d} {name}: {printable(each.text or each.reason)}", err=True)
    if len(omitted) > _MAX_NAMED:
        print_line("  " + t("and {count} more", count=number_text(len(omitted) - _MAX_NAMED)), err=True)


@contextmanager
def _display(*, quiet: bool) -> Iterator[tuple[Callable[[BundleState], None], Callable[[str], None]]]:
    """Show the progress during the block. Yields what takes it, and what prints lines above it."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if quiet or not console.is_terminal or console.is_dumb_terminal:
        yield lambda _: None, lambda text: print_line(text, err=True)
        return
    with console.status(t("starting")) as status:
        yield _Line(status).show, lambda text: print_line(text, err=True)


class _Line:
    """The one line that changes in place."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._shown_at = 0.0

    def show(self, state: BundleState) -> None:
        if time.monotonic() - self._shown_at < _REFRESH_SECONDS:
            return
        self._shown_at = time.monotonic()
        self._status.update(_words(state))


def _words(state: BundleState) -> str:
    current = state.bundle
    if current.state == "ready":
        return t("saving") + f" {size_text(state.saved_bytes)} / {size_text(current.bytes or 0)}"
    done, total = number_text(current.progress.documents), number_text(current.total_documents)
    return t("the service builds it: {done} of {total} documents", done=done, total=total)
