"""The rows of a made-up catalog of any size, as its tables have them, without a court or a run.

Whatever grows with the number of processes is in proportion to it. What does not is the same in any catalog: the
deliveries that are overdue, the runs without an end, the failures with a rare code, the accesses of a rare kind. So
the same question finds as many rows in a small catalog as in a large one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.document_search import search_text
from domain.errors import FailureCode
from domain.keys import LOCAL
from domain.process_number import ProcessNumber

DOCUMENTS = 30
RARE_CODE = FailureCode.TOO_LARGE
RARE_ACCESS = "archive"
SPACING = timedelta(seconds=20)

_RARE = 60
_FEW = 20
_RUNS = 2
_SUBSCRIBERS = 3
_ACCESSES = 3
_BATCH_ITEMS = 5
_AUDITS = 100
_FAILED_EVERY = 20
_REPLACED_EVERY = 100
# Tribunals: TJMT, TJSP and TJRJ.
_COURTS = ("8110041", "8260100", "8190001")
_NAMES = ("Petição Inicial", "Despacho", "Certidão de publicação", "Documento de identificação", "Sentença")
_CODES = (FailureCode.SEALED, FailureCode.TRUNCATED, FailureCode.PORTAL_PAGE)
_CLIENTS = (LOCAL, "desk-1", "desk-2", "desk-3")
_DIGEST = "0123456789abcdef" * 4

Rows = Iterator[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class MadeUpCatalog:
    """A catalog with so many processes.

    Attributes:
        now: The time that all others are derived from.
    """

    processes: int
    now: datetime

    def tables(self) -> list[tuple[str, tuple[str, ...], Rows]]:
        """Return the name, the columns and the rows of each table, in the order of their foreign keys."""
        return [
            ("processes", ("number", "court", "secrecy", "subjects", "listed_at", "listed_documents", "created_at"),
             self._processes()),
            ("instances", ("id", "process_number", "key", "degree", "name", "court_unit", "current", "secrecy"),
             self._instances()),
            ("documents", _DOCUMENT_COLUMNS, self._documents()),
            ("document_versions", _VERSION_COLUMNS, self._versions()),
            ("runs", _RUN_COLUMNS, self._runs()),
            ("webhook_subscriptions", ("id", "process_number", "client", "url", "created_at", "run_id"),
             self._subscriptions()),
            ("webhook_deliveries", _DELIVERY_COLUMNS, self._deliveries()),
            ("accesses", _ACCESS_COLUMNS, self._accesses()),
            ("batches", ("id", "client", "priority", "created_at", "ended_at"), self._batches()),
            ("batch_items", ("batch_id", "position", "given", "process_number", "decision", "run_id"),
             self._batch_items()),
            ("audits", _AUDIT_COLUMNS, self._audits()),
        ]  # fmt: skip

    def number(self, index: int) -> str:
        """Return the number of a process. The first is the newest."""
        tail = f"2025{_COURTS[index % len(_COURTS)]}"
        check = 98 - int(f"{index:07}{tail}00") % 97
        return ProcessNumber(f"{index:07}", f"{check:02}", "2025", tail[4], tail[5:7], tail[7:]).canonical

    def sample(self, amount: int) -> list[int]:
        """Return so many indexes, evenly spread."""
        return [place * self.processes // amount for place in range(amount)]

    def created_at(self, index: int) -> datetime:
        """Return when a process came into the catalog."""
        return self.now - timedelta(days=1) - index * SPACING

    def document_id(self, index: int, place: int) -> str:
        """Return the id of one of a process's documents."""
        return f"{index:08x}-{place:04x}-4000-8000-{(index * 2654435761 + place) % 2**48:012x}"

    def run_id(self, index: int, run: int) -> str:
        """Return the id of one of a process's runs."""
        return f"{index:08x}-{run:04x}-4000-9000-{index * 40503 % 2**48:012x}"

    def _processes(self) -> Rows:
        for index in range(self.processes):
            number = self.number(index)
            moment = self.created_at(index)
            yield number, ProcessNumber.parse(number).court, "public", "[]", moment, DOCUMENTS, moment

    def _instances(self) -> Rows:
        for index in range(self.processes):
            yield (
                index + 1,
                self.number(index),
                "G1:45",
                "G1",
                "Procedimento Comum",
                "1ª Vara Cível",
                True,
                "public",
            )

    def _documents(self) -> Rows:
        rare = set(self.sample(_RARE))
        texts = [search_text(name, name) for name in _NAMES]
        for index in range(self.processes):
            number, moment = self.number(index), self.created_at(index)
            for place in range(DOCUMENTS):
                document_id = self.document_id(index, place)
                ordinal = index * DOCUMENTS + place
                is_rare = place == 1 and index in rare
                failed = is_rare or ordinal % _FAILED_EVERY == 0
                stored = not failed
                code = RARE_CODE if is_rare else _CODES[ordinal // _FAILED_EVERY % len(_CODES)]
                kind = ordinal % len(_NAMES)
                yield (
                    *(number, document_id, place + 1, index + 1, _NAMES[kind], _NAMES[kind], texts[kind], moment),
                    *("public", json.dumps([{"id": document_id, "source": 1, "codex_id": None}]), "{}"),
                    *(moment, moment, False, "failed" if failed else "available", 1 if failed else 0),
                    *(code.value if failed else None, "" if failed else None, moment if failed else None),
                    f"processes/{number}/{document_id}/1" if stored else None,
                    *((20_000 + ordinal % 1000, _DIGEST, "application/pdf", moment) if stored else (None,) * 4),
                    2 if ordinal % _REPLACED_EVERY == _REPLACED_EVERY // 2 + 1 else 1,
                )

    def _versions(self) -> Rows:
        for ordinal in range(_REPLACED_EVERY // 2 + 1, self.processes * DOCUMENTS, _REPLACED_EVERY):
            index, place = divmod(ordinal, DOCUMENTS)
            moment = self.created_at(index)
            number, document_id = self.number(index), self.document_id(index, place)
            key = f"processes/{number}/{document_id}/0"
            yield number, document_id, 1, key, 19_000, _DIGEST, "application/pdf", moment, moment

    def _runs(self) -> Rows:
        for index in range(self.processes):
            number, moment = self.number(index), self.created_at(index)
            for run in range(_RUNS):
                begun = moment + timedelta(minutes=run)
                counts = (DOCUMENTS, DOCUMENTS - 2, 2, 600_000)
                yield self.run_id(index, run), number, LOCAL, begun, begun, "partial", *counts, 1
        for index in range(self.processes - _FEW, self.processes):
            # Of the oldest processes, so that the newest page of the list asks Temporal nothing.
            started = self.now - timedelta(hours=1)
            yield self.run_id(index, _RUNS), self.number(index), LOCAL, started, *(None,) * 6, 0

    def _deliveries_of_runs(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield the number of each delivery, and its process, run and subscriber."""
        for ordinal in range(self.processes * _RUNS * _SUBSCRIBERS):
            runs, subscriber = divmod(ordinal, _SUBSCRIBERS)
            # The oldest first.
            yield ordinal + 1, self.processes - 1 - runs // _RUNS, runs % _RUNS, subscriber

    def _subscriptions(self) -> Rows:
        for number, index, run, subscriber in self._deliveries_of_runs():
            url = f"https://hooks.example.com/{subscriber}"
            client = _CLIENTS[index % len(_CLIENTS)]
            yield number, self.number(index), client, url, self.created_at(index), self.run_id(index, run)

    def _deliveries(self) -> Rows:
        for number, index, run, subscriber in self._deliveries_of_runs():
            moment = self.created_at(index)
            overdue, given_up = number <= _FEW, subscriber == 0
            status = "pending" if overdue else "failed" if given_up else "delivered"
            yield (
                *(number, f"evt_{number:032x}", number, self.run_id(index, run), 1, self.number(index)),
                *(_CLIENTS[index % len(_CLIENTS)], f"https://hooks.example.com/{subscriber}", "process.partial"),
                *(status, moment, moment if status == "delivered" else None),
                *(moment if status == "failed" else None, self.now - timedelta(hours=2) if overdue else None),
            )

    def _accesses(self) -> Rows:
        rare = set(self.sample(_RARE))
        for index in reversed(range(self.processes)):
            number, moment = self.number(index), self.created_at(index)
            ids = json.dumps([self.document_id(index, place) for place in range(DOCUMENTS)])
            for access in range(_ACCESSES):
                how = RARE_ACCESS if access == 0 and index in rare else "link"
                client = _CLIENTS[(index + access) % len(_CLIENTS)]
                yield moment + timedelta(minutes=access), number, client, how, ids, f"request-{index}-{access}"

    def _batches(self) -> Rows:
        batches = self.processes // _BATCH_ITEMS
        for batch in range(batches):
            moment = self.created_at(batch * _BATCH_ITEMS)
            yield f"{batch:032x}", LOCAL, 3, moment, None if batch >= batches - 3 else moment

    def _batch_items(self) -> Rows:
        for index in range(self.processes // _BATCH_ITEMS * _BATCH_ITEMS):
            batch, place = divmod(index, _BATCH_ITEMS)
            number = self.number(index)
            yield f"{batch:032x}", place + 1, number, number, "started", self.run_id(index, 0)

    def _audits(self) -> Rows:
        for audit in range(_AUDITS):
            moment = self.now - timedelta(days=7 * (audit + 1))
            yield f"audit-{audit}", moment, moment, 1, 1, 1, 1, "{}", "{}"


_DOCUMENT_COLUMNS = (
    *("process_number", "id", "position", "instance_id", "name", "type_name", "search_text", "filed_at"),
    *("secrecy", "sources", "former_sources", "first_listed_at", "last_listed_at", "withdrawn", "status"),
    *("failed_attempts", "failure_code", "failure_answer", "failed_at", "object_key", "size_bytes", "sha256"),
    *("media_type", "stored_at", "version"),
)
_VERSION_COLUMNS = (
    *("process_number", "document_id", "version", "object_key", "size_bytes", "sha256", "media_type"),
    *("stored_at", "replaced_at"),
)
_RUN_COLUMNS = (
    *("id", "process_number", "client", "started_at", "ended_at", "outcome", "total_documents"),
    *("available_documents", "failed_documents", "available_bytes", "end_count"),
)
_DELIVERY_COLUMNS = (
    *("number", "id", "subscription_id", "run_id", "run_end", "process_number", "client", "url", "event_type"),
    *("status", "created_at", "delivered_at", "given_up_at", "next_attempt_at"),
)
_ACCESS_COLUMNS = ("at", "process_number", "client", "how", "document_ids", "request_id")
_AUDIT_COLUMNS = (
    *("id", "started_at", "ended_at", "contents", "objects", "objects_read", "bytes_read", "found", "remaining"),
)


def made_up_catalog(processes: int) -> MadeUpCatalog:
    """Return a catalog with so many processes, as of now."""
    return MadeUpCatalog(processes, datetime.now(UTC).replace(microsecond=0))
