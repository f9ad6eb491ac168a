"""Every request to the API and the parser of its answer, written once for both clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from autos_client.batch_models import Batch, BatchPage
from autos_client.erasure_models import Erasure, Hold
from autos_client.errors import AutosError, UnexpectedAnswer, error_for
from autos_client.models import (
    CourtStatus,
    Delivery,
    DeliveryPage,
    Document,
    DocumentPage,
    Endpoint,
    EndpointList,
    FailurePage,
    Process,
    ProcessPage,
    Redelivered,
    Status,
)
from autos_client.trail_models import AccessPage
from autos_client.waits import parse_retry_after

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

# The largest page that the API returns.
_PAGE_SIZE = "200"
# Deliveries are larger than other items.
_DELIVERIES_PAGE_SIZE = "100"
# Batches are counted item by item.
_BATCHES_PAGE_SIZE = "50"
# How many invalid fields an error names.
_MAX_NAMED_FIELDS = 10
# The longest time that the API holds an answer back.
LONGEST_HOLD_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API. ``body`` is its parsed JSON, ``None`` if it is not JSON."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: Any = field(repr=False)

    @property
    def retry_after(self) -> float | None:
        """Seconds that the API asks to wait, up to an hour, or ``None``."""
        return parse_retry_after(self.headers.get("retry-after"))

    def problem(self) -> AutosError:
        """Return the exception for an answer that is not a success."""
        return error_for(self.status, self.body, self.retry_after, self.headers.get("x-request-id"))


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request.

    Attributes:
        read: Parses an answer that is a success.
        repeatable: Whether the request is idempotent, so that a retry is harmless.
        hold_seconds: How long the API may hold the answer back.
    """

    method: str
    path: str
    read: Callable[[Answer], T] = field(repr=False)
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] | None = field(default=None, repr=False)
    repeatable: bool = True
    hold_seconds: int = 0

    def check(self, answer: Answer) -> Answer:
        """Return the answer itself if it is a success, or a redirect or a 304 where one is expected.

        Raises:
            ApiProblem: It is a problem.
            UnexpectedAnswer: It is not an answer of the API.
        """
        is_expected = (answer.status == 307 and self.read is read_link) or (
            answer.status == 304 and "If-None-Match" in self.headers
        )
        if answer.status < 300 or is_expected:
            return answer
        raise answer.problem()


def read_link(answer: Answer) -> str:
    """Return the link that an answer redirects to. Empty if there is none."""
    return answer.headers.get("location", "")


def read_status(text: str) -> Status:
    """Parse the status in the data of an event."""
    return _parse_text_as(Status, text)


def _parse_text_as(model: type[M], text: str) -> M:
    return _validate(lambda: model.model_validate_json(text))


def _parse_as(model: type[M]) -> Callable[[Answer], M]:
    return lambda answer: _validate(lambda: model.model_validate(answer.body))


def _validate(parse: Callable[[], M]) -> M:
    try:
        return parse()
    except ValidationError as error:
        fields = sorted(
            {".".join(map(str, invalid["loc"]))[:100] or "the whole body" for invalid in error.errors()}
        )
        named = ", ".join([*fields[:_MAX_NAMED_FIELDS], *(["…"] if len(fields) > _MAX_NAMED_FIELDS else [])])
    # Raised outside of the except block, so that the error's context does not keep the answer.
    raise UnexpectedAnswer(f"The answer is not as the API writes it: {named}. Is the address right?")


def _path_segment(text: str) -> str:
    if text in ("", ".", ".."):
        raise ValueError("A process number or an id is missing.")
    return quote(text, safe="")


def _process_path(number: str, *rest: str) -> str:
    return "/".join(("/processes", _path_segment(number.strip()), *rest))


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _query(cursor: str | None, **values: str | None) -> dict[str, str]:
    return _without_none({**values, "cursor": cursor, "limit": _PAGE_SIZE})


def _prefer_wait(seconds: int) -> dict[str, str]:
    return {"Prefer": f"wait={seconds}"} if seconds else {}


def _bounded_hold(seconds: float | None) -> int:
    return max(0, min(LONGEST_HOLD_SECONDS, int(seconds or 0)))


def part_of_process(number: str, part: str, model: type[M], **query: str | None) -> Call[M]:
    """Get a part of a process. Values of the query that are ``None`` are left out."""
    return Call("GET", _process_path(number, part), _parse_as(model), params=_without_none(query))


def process(number: str) -> Call[Process]:
    """Get a process."""
    return Call("GET", _process_path(number), _parse_as(Process))


def request(
    number: str,
    *,
    webhook_url: str | None = None,
    max_age: int | None = None,
    document_ids: Sequence[str] | None = None,
    priority: int | None = None,
    notify: str | None = None,
) -> Call[Process]:
    """Request the download of a process."""
    body = {
        "webhook_url": webhook_url,
        "max_age": max_age,
        "document_ids": list(document_ids) if document_ids is not None else None,
        "priority": priority,
        "notify": notify,
    }
    return Call("POST", _process_path(number, "downloads"), _parse_as(Process), json=_without_none(body))


def status(number: str, *, wait: float | None = None, known: str = "") -> Call[Status]:
    """Get the status of a process (long polling).

    Args:
        number: The process.
        wait: Seconds to hold the answer back: until the run ends, or, with ``known``, until anything changes.
        known: The ETag of the status that is known already. If nothing has changed, the answer is a 304.
    """
    hold = _bounded_hold(wait)
    headers = _prefer_wait(hold) | ({"If-None-Match": known} if known else {})
    return Call("GET", _process_path(number, "status"), _parse_as(Status), headers=headers, hold_seconds=hold)


def events(number: str, last_id: str) -> Call[None]:
    """Stream the status of a process, after the event ``last_id`` if it is not empty."""
    return _stream(_process_path(number, "events"), last_id)


def _stream(path: str, last_id: str) -> Call[None]:
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    return Call("GET", path, lambda _: None, headers=headers)


def documents(number: str, document_status: str | None, cursor: str | None) -> Call[DocumentPage]:
    """Get a page of a process's documents."""
    query = _query(cursor, status=document_status)
    return Call("GET", _process_path(number, "documents"), _parse_as(DocumentPage), params=query)


def document(number: str, document_id: str) -> Call[Document]:
    """Get one document, with a fresh link."""
    return Call("GET", _process_path(number, "documents", _path_segment(document_id)), _parse_as(Document))


def content(number: str, document_id: str) -> Call[str]:
    """Get a fresh link to a document."""
    return Call("GET", _process_path(number, "documents", _path_segment(document_id), "content"), read_link)


def control(number: str, action: str) -> Call[Status]:
    """Control a run: ``retry``, ``pause``, ``resume`` or ``cancel``."""
    return Call("POST", _process_path(number, action), _parse_as(Status))


def erase(number: str, reason: str | None) -> Call[Erasure]:
    """Erase a process."""
    return Call("DELETE", _process_path(number), _parse_as(Erasure), params=_without_none({"reason": reason}))


def erasure(number: str) -> Call[Erasure]:
    """Get the receipt of an erasure."""
    return Call("GET", _process_path(number, "erasure"), _parse_as(Erasure))


def allow_again(number: str) -> Call[Erasure]:
    """Allow an erased process again."""
    return Call("DELETE", _process_path(number, "erasure"), _parse_as(Erasure))


def hold(number: str) -> Call[Hold]:
    """Get the legal hold on a process."""
    return Call("GET", _process_path(number, "hold"), _parse_as(Hold))


def place_hold(number: str, reason: str | None) -> Call[Hold]:
    """Place a legal hold."""
    return Call("PUT", _process_path(number, "hold"), _parse_as(Hold), json=_without_none({"reason": reason}))


def release_hold(number: str) -> Call[Hold]:
    """Release the legal hold."""
    return Call("DELETE", _process_path(number, "hold"), _parse_as(Hold))


def processes(process_status: str | None, court: str | None, cursor: str | None) -> Call[ProcessPage]:
    """Get a page of processes."""
    return Call(
        "GET", "/processes", _parse_as(ProcessPage), params=_query(cursor, status=process_status, court=court)
    )


def failures(code: str | None, cursor: str | None) -> Call[FailurePage]:
    """Get a page of failures."""
    return Call("GET", "/failures", _parse_as(FailurePage), params=_query(cursor, code=code))


def batch(
    numbers: Sequence[str],
    *,
    webhook_url: str | None,
    max_age: int | None,
    priority: int | None,
    repeatable: bool = False,
) -> Call[Batch]:
    """Request the download of many processes."""
    body = {"webhook_url": webhook_url, "max_age": max_age, "priority": priority}
    content = {"process_numbers": list(numbers), **_without_none(body)}
    return Call("POST", "/batches", _parse_as(Batch), json=content, repeatable=repeatable)


def batch_status(batch_id: str) -> Call[Batch]:
    """Get a batch with its lines."""
    return Call("GET", f"/batches/{_path_segment(batch_id)}", _parse_as(Batch))


def batches(cursor: str | None) -> Call[BatchPage]:
    """Get a page of batches."""
    query = {**_query(cursor), "limit": _BATCHES_PAGE_SIZE}
    return Call("GET", "/batches", _parse_as(BatchPage), params=query)


def deliveries(delivery_status: str | None, number: str | None, cursor: str | None) -> Call[DeliveryPage]:
    """Get a page of deliveries."""
    query = {
        **_query(cursor, status=delivery_status, process_number=number),
        "limit": _DELIVERIES_PAGE_SIZE,
    }
    return Call("GET", "/webhooks/deliveries", _parse_as(DeliveryPage), params=query)


def delivery(delivery_id: str) -> Call[Delivery]:
    """Get one delivery."""
    return Call("GET", f"/webhooks/deliveries/{_path_segment(delivery_id)}", _parse_as(Delivery))


def redeliver(delivery_id: str) -> Call[Delivery]:
    """Redeliver an event."""
    return Call(
        "POST",
        f"/webhooks/deliveries/{_path_segment(delivery_id)}/redeliver",
        _parse_as(Delivery),
        repeatable=False,
    )


def redeliver_failed(since: datetime) -> Call[Redelivered]:
    """Redeliver the events that failed for good since a time.

    Raises:
        ValueError: The time has no time zone.
    """
    if since.tzinfo is None:
        raise ValueError("The time needs a time zone: without one, two machines read it differently.")
    body = {"failed_since": since.isoformat()}
    return Call("POST", "/webhooks/deliveries/redeliver", _parse_as(Redelivered), json=body, repeatable=False)


def endpoints() -> Call[tuple[Endpoint, ...]]:
    """List failing endpoints."""
    parse = _parse_as(EndpointList)
    return Call("GET", "/webhooks/endpoints", lambda answer: parse(answer).endpoints)


def enable_endpoint(endpoint_id: str) -> Call[Endpoint]:
    """Enable an endpoint that was disabled."""
    return Call("POST", f"/webhooks/endpoints/{_path_segment(endpoint_id)}/enable", _parse_as(Endpoint))


def test_webhook(url: str) -> Call[Delivery]:
    """Send a test event to a URL."""
    return Call("POST", "/webhooks/test", _parse_as(Delivery), json={"url": url}, repeatable=False)


def court_status() -> Call[CourtStatus]:
    """Get the court's status."""
    return Call("GET", "/court/status", _parse_as(CourtStatus))


def bring_credentials(credentials: Mapping[str, str]) -> Call[CourtStatus]:
    """Send new credentials for the court."""
    return Call("PUT", "/court/credentials", _parse_as(CourtStatus), json=credentials)


def trail_filters(
    process_number: str | None,
    client: str | None,
    document_id: str | None,
    how: str | None,
    since: datetime | None,
    until: datetime | None,
) -> dict[str, str | None]:
    """Return the query of the access trail.

    Raises:
        ValueError: A time has no time zone.
    """
    for moment in (since, until):
        if moment is not None and moment.tzinfo is None:
            raise ValueError("The time needs a time zone: without one, two machines read it differently.")
    return {
        "process": process_number,
        "client": client,
        "document_id": document_id,
        "how": how,
        "from": since.isoformat() if since else None,
        "to": until.isoformat() if until else None,
    }


def accesses(filters: Mapping[str, str | None], cursor: str | None) -> Call[AccessPage]:
    """Get a page of the access trail."""
    return Call("GET", "/accesses", _parse_as(AccessPage), params=_query(cursor, **filters))
