"""Watches: bodies of the requests and of the answers."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field

from api.schemas.base import Body, ProcessNumberText, RequestBody, UtcTime, WebhookUrl, WholeNumber
from api.schemas.batches import ItemProblemBody
from domain.batches import BatchItem
from domain.errors import FailureCode
from domain.watches import (
    DEFAULT_EVERY_SECONDS,
    MAX_EVERY_SECONDS,
    MAX_WATCHED_AT_ONCE,
    MIN_EVERY_SECONDS,
    Watch,
    WatchNotify,
    WatchState,
    WatchWish,
)

Every = Annotated[int, Field(ge=MIN_EVERY_SECONDS, le=MAX_EVERY_SECONDS), WholeNumber]


class WatchWishBody(RequestBody):
    """What to tell about a watched process, and how often to look at it."""

    every_seconds: Every = Field(
        DEFAULT_EVERY_SECONDS,
        description="The longest time between two looks. From a day on, looks are spread over 06 to 22 h in São "
        "Paulo, at the same time of day for the same process.",
    )
    webhook_url: WebhookUrl | None = Field(
        None, description="Where events are sent. Without it, they are in `GET /events` alone."
    )
    notify: WatchNotify = Field(
        WatchNotify.NEW,
        strict=False,
        description="`new`: only of what is new. `always`: also `watch.checked` after each look.",
    )
    download: bool = Field(
        True,
        description="Whether new documents are downloaded, and told of once they are stored. With false they are "
        "only listed, and nothing is opened at the court.",
    )

    def to_wish(self) -> WatchWish:
        """Return what is asked for."""
        return WatchWish(timedelta(seconds=self.every_seconds), self.webhook_url, self.notify, self.download)


class NewWatchesBody(WatchWishBody):
    """A request to watch many processes."""

    process_numbers: list[ProcessNumberText] = Field(
        min_length=1,
        max_length=MAX_WATCHED_AT_ONCE,
        description="CNJ numbers, with or without punctuation. Items that are not valid are marked in the answer.",
        examples=[["1011745-77.2025.8.11.0041"]],
    )


class WatchBody(Body):
    """A watched process."""

    process_number: str
    client: str
    state: WatchState
    every_seconds: int
    webhook_url: str | None
    notify: WatchNotify
    download: bool
    created_at: UtcTime
    last_checked_at: UtcTime | None = Field(
        description="When the court last listed the process, or refused to. Null before the first look."
    )
    next_look_at: UtcTime
    failure_code: FailureCode | None = Field(description="Why the last look failed. Null if it succeeded.")

    @classmethod
    def of(cls, watch: Watch, now: datetime) -> Self:
        """Return the body of a watch at a time."""
        return cls(
            process_number=watch.process_number,
            client=watch.client,
            state=watch.state(now),
            every_seconds=int(watch.wish.every.total_seconds()),
            webhook_url=watch.wish.webhook_url,
            notify=watch.wish.notify,
            download=watch.wish.download,
            created_at=watch.created_at,
            last_checked_at=watch.last_checked_at,
            next_look_at=watch.next_look_at,
            failure_code=watch.failure_code,
        )


class WatchItemState(StrEnum):
    """What a request did about one of its items."""

    WATCHED = "watched"
    INVALID = "invalid"
    ERASED = "erased"


class WatchItemBody(Body):
    """One item of a request to watch many processes."""

    position: int = Field(description="Position in the request, from 1. A repeated number keeps its first.")
    given: str = Field(description="The text in the request, truncated.")
    process_number: str | None = Field(description="Null if the text is no number.")
    state: WatchItemState
    problem: ItemProblemBody | None

    @classmethod
    def of(cls, item: BatchItem) -> Self:
        """Return the body of an item, which has a problem or is watched."""
        problem = None
        state = WatchItemState.WATCHED
        if item.problem_code:
            problem = ItemProblemBody(code=item.problem_code, detail=item.problem_detail or "")
            state = WatchItemState.INVALID if item.process_number is None else WatchItemState.ERASED
        return cls(
            position=item.position,
            given=item.given,
            process_number=item.process_number,
            state=state,
            problem=problem,
        )


class NewWatchesResultBody(Body):
    """What became of each item, and how many there are of each kind."""

    watched: int
    invalid: int
    erased: int
    duplicates: int = Field(description="Repeated numbers in the request.")
    items: list[WatchItemBody]


class WatchesQuery(Body):
    """The query of the list of watches."""

    state: WatchState | None = Field(None, description="Only watches in this state.")
    cursor: str | None = Field(
        None,
        description="The `next_cursor` of the previous page.",
        json_schema_extra={"x-format": "watches-cursor"},
    )
    limit: int = Field(50, ge=1, le=200, description="Watches per page.")


class WatchesBody(Body):
    """A page of watches, newest first."""

    watches: list[WatchBody]
    next_cursor: str | None
    watches_next: str | None = Field(description="URL of the next page.")
