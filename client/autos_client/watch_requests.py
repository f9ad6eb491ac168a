"""The requests about watched processes and events, and the parsers of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autos_client.requests import Call, _parse_as, _process_path, _query, _without_none
from autos_client.watch_models import EventList, Watch, WatchedProcesses, WatchPage


def wish(
    every_seconds: int | None, webhook_url: str | None, notify: str | None, download: bool | None
) -> dict[str, Any]:
    """Return what a request to watch asks for. What is ``None`` is the service's default."""
    return _without_none(
        {"every_seconds": every_seconds, "webhook_url": webhook_url, "notify": notify, "download": download}
    )


def add_watch(number: str, wished: dict[str, Any]) -> Call[Watch]:
    """Watch a process."""
    return Call("PUT", _process_path(number, "watch"), _parse_as(Watch), json=wished)


def get_watch(number: str) -> Call[Watch]:
    """Get the watch of a process."""
    return Call("GET", _process_path(number, "watch"), _parse_as(Watch))


def remove_watch(number: str) -> Call[None]:
    """Stop watching a process."""
    return Call("DELETE", _process_path(number, "watch"), lambda _: None)


def add_watches(numbers: Sequence[str], wished: dict[str, Any]) -> Call[WatchedProcesses]:
    """Watch many processes."""
    content = {"process_numbers": list(numbers), **wished}
    return Call("POST", "/watches", _parse_as(WatchedProcesses), json=content)


def watches(state: str | None, cursor: str | None) -> Call[WatchPage]:
    """Get a page of watches."""
    return Call("GET", "/watches", _parse_as(WatchPage), params=_query(cursor, state=state))


def events(after: int, limit: int | None) -> Call[EventList]:
    """Get the events after a number."""
    query = {"after": str(after), **({"limit": str(limit)} if limit is not None else {})}
    return Call("GET", "/events", _parse_as(EventList), params=query)
