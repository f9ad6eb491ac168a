"""`erase` and `hold`: erase a process for good, or keep it from being erased."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from autos_client_cli.access import open_client
from autos_client_cli.command_help import Command, examples
from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.options import AsJson
from autos_client_cli.printing import local_time, print_json_lines, print_line, printable
from autos_client_cli.process_numbers import canonical_number
from autos_client_cli.texts import t
from autos_client_cli.words import number_text, size_text

if TYPE_CHECKING:
    from autos_client import Author, Autos, Erasure, Hold

app = typer.Typer(pretty_exceptions_enable=False)

_POLL_SECONDS = 1.0

_Number = Annotated[str, typer.Argument(metavar=t("NUMBER"), help=t("The process number."))]
_Reason = Annotated[
    str | None, typer.Option(metavar=t("TEXT"), help=t("Why. It stays in the receipt: name nobody."))
]


@app.command(
    cls=Command,
    rich_help_panel=t("For operators"),
    help=t(
        "Erase everything of a process for good, and show the receipt. The process is blocked from then on.\n\n"
        "Needs a key with the scope admin. A legal hold prevents it."
    ),
    epilog=examples(
        'erase 1011745-77.2025.8.11.0041 --reason "the mandate has ended"',
        "erase --allow-again 1011745-77.2025.8.11.0041",
    ),
)
def erase(
    context: typer.Context,
    number: _Number,
    reason: _Reason = None,
    yes: Annotated[bool, typer.Option("--yes", help=t("Do not ask."))] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help=t("Do not wait for the end of the erasure."))] = False,
    allow_again: Annotated[
        bool,
        typer.Option("--allow-again", help=t("Erase nothing: remove the block of a process that was erased.")),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase everything of a process for good, and show the receipt."""
    number = canonical_number(number)
    if allow_again and (reason or yes or no_wait):
        raise CommandError(t("--allow-again takes none of the other options."), ExitCode.USAGE)
    if not allow_again and not yes:
        _confirm(number)
    with open_client(context) as autos:
        if allow_again:
            receipt = autos.allow_again(number)
        else:
            receipt = autos.erase(number, reason=reason)
            if not no_wait:
                receipt = _wait_until_completed(autos, receipt)
    if as_json:
        print_json_lines([receipt])
    else:
        _print_receipt(receipt)


@app.command(
    cls=Command,
    rich_help_panel=t("For operators"),
    help=t(
        "Place a legal hold on a process: neither a request nor the retention period erases it.\n\n"
        "Needs a key with the scope admin."
    ),
    epilog=examples(
        "hold 1011745-77.2025.8.11.0041 --reason evidence",
        "hold --show 1011745-77.2025.8.11.0041",
        "hold --release 1011745-77.2025.8.11.0041",
    ),
)
def hold(
    context: typer.Context,
    number: _Number,
    reason: Annotated[str | None, typer.Option(metavar=t("TEXT"), help=t("Why."))] = None,
    release: Annotated[bool, typer.Option("--release", help=t("Release the hold."))] = False,
    show: Annotated[bool, typer.Option("--show", help=t("Only show whether there is a hold."))] = False,
    as_json: AsJson = False,
) -> None:
    """Place a legal hold on a process."""
    number = canonical_number(number)
    if [bool(reason), release, show].count(True) > 1:
        raise CommandError(t("Give one of --reason, --release and --show."), ExitCode.USAGE)
    with open_client(context) as autos:
        if release:
            current = autos.release_hold(number)
        elif show:
            current = autos.hold(number)
        else:
            current = autos.place_hold(number, reason=reason)
    if as_json:
        print_json_lines([current])
    else:
        _print_hold(current)


def _confirm(number: str) -> None:
    """Ask whether to erase a process.

    Raises:
        CommandError: The answer is no, or nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise CommandError(
            t("Nobody can be asked here: give --yes to erase {number}.", number=number), ExitCode.USAGE
        )
    question = t("Erase everything of {number} for good? This cannot be taken back.", number=number)
    if not typer.confirm(question, err=True):
        raise CommandError(t("Nothing was done."), ExitCode.FATAL)


def _wait_until_completed(autos: Autos, receipt: Erasure) -> Erasure:
    if receipt.state == "running":
        print_line(t("The erasure runs. Ctrl-C leaves it running."), err=True)
    while receipt.state == "running":
        time.sleep(_POLL_SECONDS)
        receipt = autos.erasure(receipt.process_number)
    return receipt


def _print_receipt(receipt: Erasure) -> None:
    if receipt.completed_at:
        state = t("erased {time}", time=local_time(receipt.completed_at))
    else:
        state = t("being erased since {time}", time=local_time(receipt.requested_at))
    print_line(f"{receipt.process_number}: {state}")
    print_line(
        "  "
        + t(
            "requested {time} by {author}",
            time=local_time(receipt.requested_at),
            author=_author_text(receipt.requested_by),
        )
    )
    if receipt.reason:
        print_line("  " + t("reason: {reason}", reason=receipt.reason))
    counts = receipt.counts
    print_line(
        "  "
        + t(
            "documents {documents}, former versions {versions}, objects {objects} ({size}), runs {runs}, "
            "deliveries {deliveries}, accesses {accesses}, workflows {workflows}",
            documents=number_text(counts.documents),
            versions=number_text(counts.versions),
            objects=number_text(counts.objects),
            size=size_text(counts.bytes),
            runs=number_text(counts.runs),
            deliveries=number_text(counts.deliveries),
            accesses=number_text(counts.accesses),
            workflows=number_text(counts.workflows),
        )
    )
    if receipt.allowed_again_by:
        at = local_time(receipt.allowed_again_at)
        print_line(
            "  " + t("allowed again {time} by {author}", time=at, author=_author_text(receipt.allowed_again_by))
        )
    elif not receipt.blocking:
        print_line("  " + t("not blocked: it may be requested again"))


def _print_hold(current: Hold) -> None:
    if not current.held or current.placed_by is None:
        print_line(t("{number}: no legal hold", number=current.process_number))
        return
    at, author = local_time(current.placed_at), _author_text(current.placed_by)
    print_line(
        t("{number}: legal hold since {time}, by {author}", number=current.process_number, time=at, author=author)
    )
    if current.reason:
        print_line("  " + t("reason: {reason}", reason=current.reason))


def _author_text(author: Author) -> str:
    return printable(f"{author.client} ({author.key_id})" if author.key_id else author.client)
