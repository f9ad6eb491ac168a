"""Parse the movements of a process. A value that cannot be read costs that value, never the listing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from adapters.court_pdpj.personal_data import without_taxpayer_numbers
from adapters.court_pdpj.secrecy import SecrecyParser
from adapters.court_pdpj.values import as_object, objects_of, parse_datetime, parse_integer, parse_text
from domain.cases import movement_key
from domain.listings import Instance, ListedMovement
from domain.secrecy import Secrecy, strictest

MAX_TEXT_CHARACTERS = 4_000
MAX_MOVEMENTS = 100_000
_INTEGER = 2**31


@dataclass(frozen=True, slots=True)
class _Identity:
    """What tells a movement from others: the court gives them no id."""

    scope: str
    second: datetime | None
    code: int | None
    text: str | None


@dataclass(frozen=True, slots=True)
class _Entry:
    instance_key: str
    occurred_at: datetime | None
    document_id: str | None
    secrecy: Secrecy


class MovementMerger:
    """Collects the movements of all instances.

    Two systems that feed the same degree list the same movements: each is kept once, with the strictest level that
    any of them states. One system may list equal movements, which are told apart by their number only.
    """

    def __init__(self, secrecy_parser: SecrecyParser) -> None:
        self._secrecy_parser = secrecy_parser
        self._entries: dict[_Identity, dict[object, list[_Entry]]] = {}
        self._count = 0
        self.is_stated = False

    def add(self, stage: dict[str, Any], instance: Instance, source: object) -> None:
        """Add the movements of one instance.

        Args:
            stage: The instance's JSON object.
            instance: The instance.
            source: Identifies the system that feeds it.
        """
        value = stage.get("movimentos")
        self.is_stated |= isinstance(value, list | dict)
        for item in objects_of(value):
            if self._count >= MAX_MOVEMENTS:
                return
            self._count += 1
            kind = as_object(item.get("tipo"))
            occurred_at = parse_datetime(item.get("dataHora"))
            text = _parse_description(item, kind)
            code = next((code for value in _codes(item, kind) if (code := _parse_code(value)) is not None), None)
            identity = _Identity(
                instance.degree or instance.key,
                occurred_at and occurred_at.astimezone(UTC).replace(microsecond=0),
                code,
                text,
            )
            secrecy = strictest([self._secrecy_parser.parse_stated(item), instance.secrecy])
            entry = _Entry(instance.key, occurred_at, _parse_document_id(item), secrecy)
            self._entries.setdefault(identity, {}).setdefault(source, []).append(entry)

    def merged_movements(self) -> Iterator[ListedMovement]:
        """Yield each movement once."""
        for identity, by_source in self._entries.items():
            lists = list(by_source.values())
            for ordinal in range(max(map(len, lists))):
                copies = [entries[ordinal] for entries in lists if ordinal < len(entries)]
                first = copies[0]
                yield ListedMovement(
                    key=movement_key(identity.scope, identity.second, identity.code, identity.text, ordinal),
                    instance_key=first.instance_key,
                    occurred_at=first.occurred_at,
                    code=identity.code,
                    text=identity.text and identity.text[:MAX_TEXT_CHARACTERS],
                    document_id=next((copy.document_id for copy in copies if copy.document_id), None),
                    secrecy=strictest(copy.secrecy for copy in copies),
                )


def _parse_description(item: dict[str, Any], kind: dict[str, Any]) -> str | None:
    for value in (item.get("descricao"), kind.get("descricao"), kind.get("nome")):
        text = parse_text(value)
        if text:
            return without_taxpayer_numbers(text)
    return None


def _codes(item: dict[str, Any], kind: dict[str, Any]) -> Iterator[object]:
    for holder in (kind, as_object(item.get("movimentoNacional")), item):
        yield from (holder.get(key) for key in ("codigo", "codigoNacional", "id"))


def _parse_code(value: object) -> int | None:
    return parse_integer(value, below=_INTEGER)


def _parse_document_id(item: dict[str, Any]) -> str | None:
    for value in (item.get("idDocumento"), as_object(item.get("documento")).get("id")):
        try:
            return str(UUID(str(value)))
        except ValueError:
            continue
    return None
