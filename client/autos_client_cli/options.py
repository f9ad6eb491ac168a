"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from autos_client_cli.durations import parse_duration
from autos_client_cli.texts import t

AsJson = Annotated[bool, typer.Option("--json", help=t("Print the API's answer as JSON."))]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help=t("Print only what went wrong."))]
AsLines = Annotated[bool, typer.Option("--json", help=t("Print one JSON object a line."))]
AtMost = Annotated[
    int,
    typer.Option(
        "--limit", min=0, metavar="N", show_default=False, help=t("At most so many; 0 is all. Default: 50.")
    ),
]

DEFAULT_PATIENCE = "10m"
PatienceTime = Annotated[
    str,
    typer.Option(
        "--patience",
        metavar=t("TIME"),
        show_default=False,
        help=t(
            "How long to try again if the API does not answer or asks to wait, as in 90s or 1h30m; 0 is not at all."
            " Default: 10m."
        ),
    ),
]


def patience_seconds(patience: str) -> float:
    """Return the seconds that ``--patience`` means.

    Raises:
        CommandError: It is not a time.
    """
    return parse_duration(patience, "--patience")
