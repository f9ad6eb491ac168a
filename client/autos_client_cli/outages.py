"""Tells that the API, or the store, does not answer or asks to wait, and that it answers again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from autos_client_cli.texts import t
from autos_client_cli.words import duration_text

if TYPE_CHECKING:
    from autos_client import Outage, Party, Patience, Wait


def reporting_patience(seconds: float | None, url: str, print_line: Callable[[str], None]) -> Patience:
    """Return a patience that prints one line when an outage begins or ends, and when a wait begins."""
    from autos_client import Party, Patience

    def on_outage(outage: Outage) -> None:
        values = {"reason": outage.reason, "time": duration_text(outage.seconds_left)}
        if outage.party == Party.API:
            text = t("The API at {url} does not answer ({reason}). Trying again for {time}.", url=url, **values)
        else:
            text = t("The store does not answer ({reason}). Trying again for {time}.", **values)
        print_line(text)

    def on_recovery(party: Party) -> None:
        api, store = t("The API at {url} answers again.", url=url), t("The store answers again.")
        print_line(api if party == Party.API else store)

    def on_wait(wait: Wait) -> None:
        values = {"reason": wait.reason, "time": duration_text(wait.seconds)}
        print_line(t("The API at {url} asks to wait ({reason}). Trying again in {time}.", url=url, **values))

    return Patience(seconds, on_outage=on_outage, on_recovery=on_recovery, on_wait=on_wait)
