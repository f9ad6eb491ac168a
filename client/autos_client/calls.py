"""Every request that the API takes, and how its answer is read; written once for both clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from autos_client.errors import AutosError, UnexpectedAnswer, problem_of
from autos_client.models import (
    Batch,
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

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

# The most that the API gives of anything at once.
_PAGE = "200"
# They are larger than anything else in a list.
_DELIVERIES_PAGE = "100"
# Fields that an error names.
_MOST_NAMED = 10
# As long as the API holds an answer back.
LONGEST_HOLD_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API; ``body`` is its JSON, none if it is not JSON."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: Any = field(repr=False)

    @property
    def retry_after(self) -> float | None:
        """Seconds that the API asks to wait."""
        value = self.headers.get("retry-after", "")
        return float(value) if value.isascii() and value.isdecimal() else None

    def problem(self) -> AutosError:
        """The exception for an answer that is not a success."""
        return problem_of(self.status, self.body, self.retry_after)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request.

    Attributes:
        read: makes the result of an answer that is a success.
        repeatable: whether sending it twice does no more than sending it once.
        hold_seconds: how long the API may keep its answer back.
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
        """Give an answer back that is a success or a redirect that was asked for.

        Raises:
            ApiProblem: it is a problem.
            UnexpectedAnswer: it is not the API's.
        """
        if answer.status < 300 or (answer.status == 307 and self.read is link_of):
            return answer
        raise answer.problem()


def link_of(answer: Answer) -> str:
    """The link that an answer leads to."""
    return answer.headers.get("location", "")


def read_status(text: str) -> Status:
    """The status in the data of an event."""
    return _read(lambda: Status.model_validate_json(text))


def _as(model: type[M]) -> Callable[[Answer], M]:
    return lambda answer: _read(lambda: model.model_validate(answer.body))


def _read(parse: Callable[[], M]) -> M:
    try:
        return parse()
    except ValidationError as error:
        found = sorted({".".join(map(str, each["loc"]))[:100] or "all" for each in error.errors()})
        wrong = ", ".join([*found[:_MOST_NAMED], *(["…"] if len(found) > _MOST_NAMED else [])])
    # Outside, so that the answer does not travel along as the error's context.
    raise UnexpectedAnswer(f"The answer is not as the API writes it: {wrong}.")


def _segment(text: str) -> str:
    if text in ("", ".", ".."):
        raise ValueError("A process number or an id is missing.")
    return quote(text, safe="")


def _process(number: str, *rest: str) -> str:
    return "/".join(("/processes", _segment(number.strip()), *rest))


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _query(cursor: str | None, **values: str | None) -> dict[str, str]:
    return _given({**values, "cursor": cursor, "limit": _PAGE})


def _prefer(seconds: int) -> dict[str, str]:
    return {"Prefer": f"wait={seconds}"} if seconds else {}


def _bounded(seconds: float | None) -> int:
    return max(0, min(LONGEST_HOLD_SECONDS, int(seconds or 0)))


def process(number: str) -> Call[Process]:
    """What is known of a process."""
    return Call("GET", _process(number), _as(Process))


def request(
    number: str,
    *,
    webhook_url: str | None = None,
    max_age: int | None = None,
    document_ids: Sequence[str] | None = None,
    priority: int | None = None,
    notify: str | None = None,
) -> Call[Process]:
    """Have a process downloaded."""
    body = {
        "webhook_url": webhook_url,
        "max_age": max_age,
        "document_ids": list(document_ids) if document_ids is not None else None,
        "priority": priority,
        "notify": notify,
    }
    return Call("POST", _process(number, "downloads"), _as(Process), json=_given(body))


def status(number: str, *, wait: float | None = None) -> Call[Status]:
    """How a process goes; the answer may be held back for ``wait`` seconds."""
    held = _bounded(wait)
    return Call("GET", _process(number, "status"), _as(Status), headers=_prefer(held), hold_seconds=held)


def events(number: str, last_id: str) -> Call[None]:
    """The stream of a process's progress."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    return Call("GET", _process(number, "events"), lambda _: None, headers=headers)


def documents(number: str, document_status: str | None, cursor: str | None) -> Call[DocumentPage]:
    """A page of a process's documents."""
    query = _query(cursor, status=document_status)
    return Call("GET", _process(number, "documents"), _as(DocumentPage), params=query)


def document(number: str, document_id: str) -> Call[Document]:
    """One document, with a fresh link."""
    return Call("GET", _process(number, "documents", _segment(document_id)), _as(Document))


def content(number: str, document_id: str) -> Call[str]:
    """A fresh link to a document."""
    return Call("GET", _process(number, "documents", _segment(document_id), "content"), link_of)


def act(number: str, action: str) -> Call[Status]:
    """``retry``, ``pause``, ``resume`` or ``cancel``."""
    return Call("POST", _process(number, action), _as(Status))


def processes(process_status: str | None, court: str | None, cursor: str | None) -> Call[ProcessPage]:
    """A page of processes."""
    return Call("GET", "/processes", _as(ProcessPage), params=_query(cursor, status=process_status, court=court))


def failures(code: str | None, cursor: str | None) -> Call[FailurePage]:
    """A page of what failed."""
    return Call("GET", "/failures", _as(FailurePage), params=_query(cursor, code=code))


def batch(
    numbers: Sequence[str], *, webhook_url: str | None, max_age: int | None, priority: int | None
) -> Call[Batch]:
    """Ask for many processes at once."""
    body = {"webhook_url": webhook_url, "max_age": max_age, "priority": priority}
    sent = {"process_numbers": list(numbers), **_given(body)}
    return Call("POST", "/batches", _as(Batch), json=sent, repeatable=False)


def batch_status(batch_id: str) -> Call[Batch]:
    """How a batch goes."""
    return Call("GET", f"/batches/{_segment(batch_id)}", _as(Batch))


def deliveries(delivery_status: str | None, number: str | None, cursor: str | None) -> Call[DeliveryPage]:
    """A page of deliveries."""
    query = {
        **_query(cursor, status=delivery_status, process_number=number),
        "limit": _DELIVERIES_PAGE,
    }
    return Call("GET", "/webhooks/deliveries", _as(DeliveryPage), params=query)


def delivery(delivery_id: str) -> Call[Delivery]:
    """One delivery."""
    return Call("GET", f"/webhooks/deliveries/{_segment(delivery_id)}", _as(Delivery))


def redeliver(delivery_id: str) -> Call[Delivery]:
    """Send an event once more."""
    return Call("POST", f"/webhooks/deliveries/{_segment(delivery_id)}/redeliver", _as(Delivery), repeatable=False)


def redeliver_failed(since: datetime) -> Call[Redelivered]:
    """Send again what was given up since a time.

    Raises:
        ValueError: the time does not say in which zone it is.
    """
    if since.tzinfo is None:
        raise ValueError("A time without a zone is none that two machines agree on.")
    body = {"failed_since": since.isoformat()}
    return Call("POST", "/webhooks/deliveries/redeliver", _as(Redelivered), json=body, repeatable=False)


def endpoints() -> Call[tuple[Endpoint, ...]]:
    """The addresses that take nothing."""
    read = _as(EndpointList)
    return Call("GET", "/webhooks/endpoints", lambda answer: read(answer).endpoints)


def enable_endpoint(endpoint_id: str) -> Call[Endpoint]:
    """Switch an address on again."""
    return Call("POST", f"/webhooks/endpoints/{_segment(endpoint_id)}/enable", _as(Endpoint))


def test_webhook(url: str) -> Call[Delivery]:
    """Send a test event."""
    return Call("POST", "/webhooks/test", _as(Delivery), json={"url": url}, repeatable=False)


def court_status() -> Call[CourtStatus]:
    """How the court is."""
    return Call("GET", "/court/status", _as(CourtStatus))


def bring_credentials(credentials: Mapping[str, str]) -> Call[CourtStatus]:
    """Bring the court's credentials."""
    return Call("PUT", "/court/credentials", _as(CourtStatus), json=credentials)
