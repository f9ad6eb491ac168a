"""`get`: download processes into folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autos_client_cli.access import command_context, open_async_client, translating_problems
from autos_client_cli.command_help import examples
from autos_client_cli.display import make_display
from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.get_many import GetOptions, ManyDownloads
from autos_client_cli.get_results import worst_of
from autos_client_cli.interruptions import Interrupted, run_interruptibly
from autos_client_cli.options import DEFAULT_PATIENCE, PatienceTime, Quiet, patience_seconds
from autos_client_cli.printing import print_line, printable
from autos_client_cli.process_numbers import canonical_number
from autos_client_cli.text_input import STANDARD_INPUT, read_lines
from autos_client_cli.texts import t

GET_HELP = t(
    "Download processes, and save their documents as DIR/NUMBER/NNN - name.ext.\n\n"
    "The service begins with all of them at once, and documents are saved as they become available. Files are "
    "verified by SHA-256; files that are already there are not downloaded again, so the same command goes on where "
    "it was interrupted.\n\n"
    "Exit codes: 0 every document is there, 6 some are not, 3 the court does not know a process, 7 it refuses one, "
    "5 the API does not answer, 130 interrupted. Of several processes, the worst counts."
)
GET_EXAMPLES = examples(
    "get 1011745-77.2025.8.11.0041",
    "get -i numbers.txt -o documents --jobs 8",
    "get 10117457720258110041 --patience 2h --json",
    "list -q --status partial | {program} get -",
)

_Jobs = Annotated[
    int,
    typer.Option(
        *("-j", "--jobs"),
        metavar="N",
        min=1,
        max=32,
        show_default=False,
        help=t("How many processes are saved at a time. Default: 4. The service works on all at once anyway."),
    ),
]


def get(
    context: typer.Context,
    numbers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar=t("NUMBER"), help=t("Process numbers; - reads them from standard input, one a line.")
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            *("-o", "--output"),
            metavar=t("DIR"),
            show_default=False,
            help=t("Where a folder for each process is made. Default: here."),
        ),
    ] = Path(),
    numbers_from: Annotated[
        str | None,
        typer.Option(
            *("-i", "--input"), metavar=t("FILE"), help=t("Further numbers, one a line; # begins a comment.")
        ),
    ] = None,
    jobs: _Jobs = 4,
    patience: PatienceTime = DEFAULT_PATIENCE,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help=t("Start what is missing, and save only what is available now."))
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help=t("Replace files that have a document's name but other content."))
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help=t("Print one JSON object for each process, when it is finished."))
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Download processes, and save their documents."""
    seconds = patience_seconds(patience)
    wanted = _read_numbers(numbers or [], numbers_from)
    options = GetOptions(output, jobs, not no_wait, overwrite, as_json, quiet)
    display = make_display(len(wanted), quiet=quiet)
    downloads = ManyDownloads(command_context(context).program, wanted, options, display)

    def print_above(text: str) -> None:
        with display.interrupted():
            print_line(text, err=True)

    async def get_all() -> None:
        async with open_async_client(context, seconds, print_above) as autos:
            await downloads.run(autos)

    try:
        with translating_problems():
            run_interruptibly(get_all())
    except Interrupted:
        text = t("Interrupted.")
        raise CommandError(
            "\n".join(filter(None, (text, downloads.describe_rest()))), ExitCode.INTERRUPTED
        ) from None
    except CommandError as error:
        text = "\n".join(filter(None, (str(error), downloads.describe_rest())))
        raise CommandError(text, error.exit_code) from None
    raise typer.Exit(worst_of(downloads.results.values()))


def _read_numbers(given: list[str], source: str | None) -> list[str]:
    """Return the process numbers to download, each once.

    Args:
        given: The command's arguments; ``-`` is standard input.
        source: A file of further numbers; ``-`` is standard input.

    Raises:
        CommandError: One of them is not a process number, or there are none. Nothing was done.
    """
    texts = [text for text in given if text != STANDARD_INPUT]
    if STANDARD_INPUT in given:
        texts += read_lines(STANDARD_INPUT)
    if source is not None:
        texts += read_lines(source)
    numbers, complaints = [], []
    for text in texts:
        try:
            numbers.append(canonical_number(text))
        except CommandError as error:
            complaints.append(f"{printable(text.strip()[:64])!r}: {error}")
    if complaints:
        raise CommandError(t("Nothing was done.") + " " + " ".join(complaints), ExitCode.USAGE)
    if not numbers:
        raise CommandError(t("Name at least one process number."), ExitCode.USAGE)
    return list(dict.fromkeys(numbers))
