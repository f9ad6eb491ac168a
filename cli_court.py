"""`autos court`: bring credentials to a running service, and see how the court is."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.errors import AutosError, DependencyUnavailable, InvalidInput
from domain.tokens import read_token

if TYPE_CHECKING:
    from settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # They print local variables, and those hold tokens.
    help="The court: does it answer, and when does the token end; bring a new one.",
)

_TIMEOUT_SECONDS = 15.0


class Refused(AutosError):
    """The API did not do what was asked; its own words say why."""


@app.command()
def login() -> None:
    """Bring a token to the running service: typed unseen, or from standard input.

    Either the access token, or the whole JSON answer of the court's sign-in (from the browser's network tab,
    the request to `/token`): then the refresh token comes along, and the service renews the token by itself.
    """
    if sys.stdin.isatty():
        brought = typer.prompt("Token, or the sign-in's JSON answer", hide_input=True, err=True)
    else:
        brought = sys.stdin.read()
    _print(_ask("PUT", "/court/credentials", _read(brought)))


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's answer as it is.")] = False,
) -> None:
    """Tell whether the court answers, since when, why not, and when the token ends. The token is never shown."""
    answer = _ask("GET", "/court/status")
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        _print(answer)


def _read(brought: str) -> dict[str, str]:
    """The credentials in what was brought.

    Raises:
        InvalidInput: there are none.
    """
    text = brought.strip()
    if not text.startswith("{"):
        return {"token": read_token(text, field="The token")}
    try:
        answer = json.loads(text)
    except ValueError:
        raise InvalidInput("This is neither a token nor JSON: copy the sign-in's answer whole.") from None
    found = {
        ours: read_token(str(answer[theirs]), field=theirs)
        for ours, theirs in (("token", "access_token"), ("refresh_token", "refresh_token"))
        if answer.get(theirs)
    }
    if not found:
        raise InvalidInput("This JSON holds neither access_token nor refresh_token.")
    return found


def _ask(method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    import httpx

    from settings import load_settings

    settings = load_settings()
    url = f"{settings.effective_public_url}{path}"
    try:
        answer = httpx.request(
            method, url, json=body, headers=_headers(settings), timeout=_TIMEOUT_SECONDS, trust_env=False
        )
        said: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise DependencyUnavailable("api", f"No API answers at {url} ({type(error).__name__}).") from None
    if answer.is_success:
        return said
    refusal = f"{said.get('detail', 'The API refused.')} (HTTP {answer.status_code}, {said.get('code')})"
    if answer.status_code == 422:
        raise InvalidInput(refusal)
    raise DependencyUnavailable("api", refusal) if answer.status_code == 503 else Refused(refusal)


def _headers(settings: Settings) -> dict[str, str]:
    key = settings.api_key
    return {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}


def _print(answer: dict[str, Any]) -> None:
    failure, token = answer["failure"], answer["credentials"]
    if failure:
        typer.echo(f"The court does not answer since {_moment(answer['since'])}: {failure['code']}.")
        if failure["answer"]:
            typer.echo(f"  It said: {failure['answer']}")
        if answer["next_probe_at"]:
            typer.echo(f"  {answer['probes']} probes in vain; the next one at {_moment(answer['next_probe_at'])}.")
    else:
        typer.echo("The court answers, as far as is known.")
    if token["source"] is None:
        typer.echo("There is no token. Bring one with `autos court login`.")
        return
    ends = f"ends at {_moment(token['expires_at'])}" if token["expires_at"] else "does not say when it ends"
    fate = "is renewed by itself" if token["renewable"] else "is not renewed: bring a new one before that"
    typer.echo(f"The token ({token['source']}) {ends} and {fate}.")
    if token["rejected"]:
        typer.echo("The court has refused it. Bring a new one with `autos court login`.")


def _moment(text: str | None) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z") if text else "an unknown time"
