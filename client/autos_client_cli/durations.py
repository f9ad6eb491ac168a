"""Times on the command line: `90`, `90s`, `10m`, `1h30m`."""

from __future__ import annotations

import re

from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.texts import t

_DURATION = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,9})s?)?")


def parse_duration(text: str, option: str) -> float:
    """Return the seconds that a text means.

    Args:
        text: What was given.
        option: The option's name, for the error.

    Raises:
        CommandError: It is not a time.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None or not any(match.groups()):
        raise CommandError(
            t("{option}: a time is a number of seconds, or written as in 90s, 10m or 1h30m.", option=option),
            ExitCode.USAGE,
        )
    hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return float(3600 * hours + 60 * minutes + seconds)
