"""`court`: bring credentials to the service, and show whether the court answers."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import typer

from autos_client_cli.access import command_context, open_client
from autos_client_cli.command_help import Command, Group, examples
from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.options import AsJson
from autos_client_cli.printing import local_time, print_json_lines, print_line
from autos_client_cli.text_input import read_standard_input
from autos_client_cli.texts import t
from autos_client_cli.words import count_text

if TYPE_CHECKING:
    from autos_client import CourtStatus

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # They print local variables, and those hold tokens.
    help=t("The court: does it answer, and when does the token expire; bring a new token."),
    epilog=examples("court status", "court login", "court login < answer.json"),
)


@app.command(
    cls=Command,
    rich_help_panel=t("Commands"),
    help=t(
        "Bring a token to the running service: typed unseen, or from standard input.\n\n"
        "Either the access token, or the whole JSON answer of the court's sign-in (from the browser's network tab, "
        "the request to /token): then the refresh token comes along, and the service renews the token by itself."
    ),
    epilog=examples("court login", "court login < answer.json"),
)
def login(context: typer.Context) -> None:
    """Bring a token to the running service."""
    if sys.stdin.isatty():
        text = typer.prompt(t("Token, or the sign-in's JSON answer"), hide_input=True, err=True)
    else:
        text = read_standard_input()
    credentials = _parse_credentials(text)
    with open_client(context) as autos:
        _print_status(autos.bring_credentials(credentials), program=command_context(context).program)


@app.command(
    cls=Command,
    rich_help_panel=t("Commands"),
    help=t("Show whether the court answers, since when, why not, and when the token expires. No token is shown."),
    epilog=examples("court status --json"),
)
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show whether the court answers, since when, why not, and when the token expires. No token is shown."""
    with open_client(context) as autos:
        current = autos.court_status()
    if as_json:
        print_json_lines([current])
    else:
        _print_status(current, program=command_context(context).program)


def _parse_credentials(text: str) -> dict[str, str]:
    """Return the credentials in a text. The API checks and cleans the tokens themselves.

    Raises:
        CommandError: There are none.
    """
    text = text.strip(" \t\r\n\ufeff\u200b")
    if not text:
        raise CommandError(t("The token is not a token: nothing was given."), ExitCode.USAGE)
    if not text.startswith("{"):
        return {"token": text}
    try:
        answer = json.loads(text)
    except ValueError:
        raise CommandError(
            t("This is neither a token nor JSON: copy the sign-in's answer whole."), ExitCode.USAGE
        ) from None
    credentials = {
        field: answer[key]
        for field, key in (("token", "access_token"), ("refresh_token", "refresh_token"))
        if isinstance(answer.get(key), str) and answer[key]
    }
    if not credentials:
        raise CommandError(t("This JSON holds neither access_token nor refresh_token."), ExitCode.USAGE)
    return credentials


def _print_status(status: CourtStatus, *, program: str) -> None:
    failure, token = status.failure, status.credentials
    if failure:
        since = local_time(status.since)
        print_line(t("The court has not answered since {since}: {code}.", since=since, code=failure.code))
        if failure.answer:
            print_line("  " + t("It said: {answer}", answer=failure.answer))
        if status.next_probe_at:
            at = local_time(status.next_probe_at)
            failed = count_text(status.probes, t("{count} probe failed"), t("{count} probes failed"))
            print_line("  " + t("{failed}; the next one is at {time}.", failed=failed, time=at))
    else:
        print_line(t("The court answers, as far as is known."))
    if token.candidate == "pending":
        print_line(t("The new token is tried when the court answers; the former one stays until then."))
    elif token.candidate == "refused":
        print_line(t("The court has refused the newest token; the former one stays."))
    if token.source is None:
        print_line(t("There is no token. Bring one with `{program} court login`.", program=program))
        return
    expiry = t("does not say when it ends")
    if token.expires_at:
        expiry = t("ends at {time}", time=local_time(token.expires_at))
    renewal = t("is renewed by itself") if token.renewable else t("is not renewed: bring a new one before that")
    print_line(
        t("The token ({source}) {expiry} and {renewal}.", source=token.source, expiry=expiry, renewal=renewal)
    )
    if token.rejected:
        print_line(t("The court has refused it. Bring a new one with `{program} court login`.", program=program))
