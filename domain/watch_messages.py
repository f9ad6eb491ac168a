"""Temporal messages of the sweep that has watched processes looked at. Ids and counts only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LooksRequest:
    """A request to start a page of the looks that are due.

    Attributes:
        started: How many looks this sweep has started already.
    """

    started: int = 0


@dataclass(frozen=True, slots=True)
class LooksPage:
    """What a page of looks led to.

    Attributes:
        started: How many looks were started.
        joined: How many processes had an open run already, which tells the watchers too.
        more: Whether more looks may be due.
    """

    started: int = 0
    joined: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class DueLook:
    """A process that is to be looked at.

    Attributes:
        client: The client whose watch is due first. Looks share the workers fairly between clients.
        download: Whether any of its watches wants new documents downloaded.
    """

    process_number: str
    client: str
    download: bool
