"""`autos court`: bring credentials to a running service, and see how the court is."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from commands.api import local_time, plain, read_standard_input, speaking
from domain.errors import InvalidInput
from domain.tokens import read_token

if TYPE_CHECKING:
    from autos_client import CourtStatus

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # They print local variables, and those hold tokens.
    help="The court: does it answer, and when does the token end; bring a new one.",
)


@app.command()
def login() -> None:
    """Bring a token to the running service: typed unseen, or from standard input.

    Either the access token, or the whole JSON answer of the court's sign-in (from the browser's network tab,
    the request to `/token`): then the refresh token comes along, and the service renews the token by itself.
    """
    if sys.stdin.isatty():
        brought = typer.prompt("Token, or the sign-in's JSON answer", hide_input=True, err=True)
    else:
        brought = read_standard_input()
    credentials = _read(brought)
    with speaking() as autos:
        _print(autos.bring_credentials(credentials))


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's answer as it is.")] = False,
) -> None:
    """Tell whether the court answers, since when, why not, and when the token ends. The token is never shown."""
    with speaking() as autos:
        found = autos.court_status()
    if as_json:
        typer.echo(json.dumps(found.model_dump(mode="json")))
    else:
        _print(found)


def _read(brought: str) -> dict[str, str]:
    """The credentials in what was brought.

    Raises:
        InvalidInput: there are none.
    """
    text = brought.strip(" \t\r\n\ufeff\u200b")
    if not text.startswith("{"):
        return {"token": read_token(text, field="The token")}
    try:
        answer = json.loads(text)
    except ValueError:
        raise InvalidInput("This is neither a token nor JSON: copy the sign-in's answer whole.") from None
    found = {
        ours: read_token(answer[theirs], field=theirs)
        for ours, theirs in (("token", "access_token"), ("refresh_token", "refresh_token"))
        if isinstance(answer.get(theirs), str) and answer[theirs]
    }
    if not found:
        raise InvalidInput("This JSON holds neither access_token nor refresh_token.")
    return found


def _print(found: CourtStatus) -> None:
    failure, token = found.failure, found.credentials
    if failure:
        typer.echo(f"The court does not answer since {local_time(found.since)}: {failure.code}.")
        if failure.answer:
            typer.echo(f"  It said: {plain(failure.answer)}")
        if found.next_probe_at:
            typer.echo(f"  {found.probes} probes in vain; the next one at {local_time(found.next_probe_at)}.")
    else:
        typer.echo("The court answers, as far as is known.")
    if token.candidate == "pending":
        typer.echo("The token that was brought is tried when the court answers; the former one stays until then.")
    elif token.candidate == "refused":
        typer.echo("The court has refused the token that was brought last; the former one stays.")
    if token.source is None:
        typer.echo("There is no token. Bring one with `autos court login`.")
        return
    ends = f"ends at {local_time(token.expires_at)}" if token.expires_at else "does not say when it ends"
    fate = "is renewed by itself" if token.renewable else "is not renewed: bring a new one before that"
    typer.echo(f"The token ({token.source}) {ends} and {fate}.")
    if token.rejected:
        typer.echo("The court has refused it. Bring a new one with `autos court login`.")
