"""Parse the parties of a process, and the processes that the court relates to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from adapters.court_pdpj.personal_data import without_numbers_in_name
from adapters.court_pdpj.secrecy import SecrecyParser
from adapters.court_pdpj.values import as_object, objects_of, parse_integer, parse_text
from domain.errors import InvalidProcessNumber
from domain.listings import Instance, Lawyer, Party, RelatedProcess
from domain.process_number import ProcessNumber
from domain.secrecy import strictest
from domain.text import fold

MAX_PARTIES = 5_000
MAX_LAWYERS = 100
MAX_RELATED = 1_000
MAX_NAME_CHARACTERS = 500
_MAX_WORD_CHARACTERS = 32
_MAX_NUMBER_CHARACTERS = 64
_MAX_REGISTRATION_DIGITS = 8
_INTEGER = 2**31
_OAB_STATE_FIRST = re.compile(r"(?:OAB)?[\s/:-]*([A-Z]{2})[\s/.:-]*(?:N[ºo°.]*)?\s*([0-9.]{1,12}[A-Z]?)(?:-[A-Z])?")
_OAB_NUMBER_FIRST = re.compile(r"(?:OAB)?[\s/:-]*([0-9.]{1,12}[A-Z]?)[\s/.:-]*([A-Z]{2})")
_STATES = frozenset(
    "AC AL AM AP BA CE DF ES GO MA MG MS MT PA PB PE PI PR RJ RN RO RR RS SC SE SP TO".split()  # noqa: SIM905
)


class PartyMerger:
    """Collects the parties of all instances, each once in a degree, and none that any of them seals."""

    def __init__(self, secrecy_parser: SecrecyParser) -> None:
        self._secrecy_parser = secrecy_parser
        self._parties: dict[tuple[str, str, str], tuple[Party, Instance]] = {}
        # Names of parties and lawyers, and registrations of lawyers with the bar.
        self._sealed: set[str] = set()
        self._count = 0

    def add(self, stage: dict[str, Any], instance: Instance) -> None:
        """Add the parties of one instance.

        Args:
            stage: The instance's JSON object.
            instance: The instance.
        """
        for item in objects_of(stage.get("partes")):
            self._count += 1
            self._add_sealed_lawyers(item)
            name = _parse_name(item)
            if name is None:
                continue
            if not self._secrecy_parser.parse_stated(item).is_open:
                # Sealed by one system, it is sealed: another may list it without the mark. So this is not limited.
                self._sealed.add(fold(name))
            elif self._count <= MAX_PARTIES:
                self._add_party(item, name, instance)

    def merged_parties(self) -> Iterator[Party]:
        """Yield the parties in the court's order."""
        for party, instance in self._parties.values():
            if fold(party.name) not in self._sealed:
                lawyers = tuple(each for each in party.lawyers if not self._is_sealed(each))
                yield replace(party, instance_key=instance.key, lawyers=lawyers)

    def _add_sealed_lawyers(self, item: dict[str, Any]) -> None:
        # Sealed under one party, a lawyer is sealed under all.
        for each in objects_of(item.get("representantes")):
            if not self._secrecy_parser.parse_stated(each).is_open:
                self._sealed.update(word for word in (fold(_parse_name(each) or ""), _parse_oab(each)) if word)

    def _is_sealed(self, lawyer: Lawyer) -> bool:
        return fold(lawyer.name or "") in self._sealed or lawyer.oab in self._sealed

    def _add_party(self, item: dict[str, Any], name: str, instance: Instance) -> None:
        pole = _parse_word(item.get("polo"))
        lawyers = tuple(_parse_lawyers(item, self._secrecy_parser))
        key = (instance.degree or instance.key, pole or "", fold(name))
        earlier = self._parties.get(key)
        if earlier is None:
            self._parties[key] = Party(instance.key, name, pole, lawyers), instance
            return
        party, known = earlier
        # Of two systems, the one that restricts its instance decides who may read.
        stricter = instance if strictest([known.secrecy, instance.secrecy]) is not known.secrecy else known
        self._parties[key] = replace(party, lawyers=party.lawyers or lawyers), stricter


def parse_related(stage: dict[str, Any], instance: Instance) -> Iterator[RelatedProcess]:
    """Yield the processes that the court relates to an instance, a thousand at most."""
    for item in objects_of(stage.get("processosRelacionados"))[:MAX_RELATED]:
        number = parse_text(item.get("numeroProcesso"))
        if number is None:
            continue
        kind, active = as_object(item.get("classe")), item.get("ativo")
        yield RelatedProcess(
            instance_key=instance.key,
            number=_canonical(number),
            relation=_parse_word(item.get("tipoRelacao")),
            class_code=next(
                (
                    code
                    for key in ("codigo", "id")
                    if (code := parse_integer(kind.get(key), below=_INTEGER)) is not None
                ),
                None,
            ),
            class_name=_cut(parse_text(kind.get("descricao"))),
            active=active if isinstance(active, bool) else None,
        )


def _canonical(number: str) -> str:
    try:
        return ProcessNumber.parse(number).canonical
    except InvalidProcessNumber:
        return without_numbers_in_name(number)[:_MAX_NUMBER_CHARACTERS]


def _parse_lawyers(item: dict[str, Any], secrecy_parser: SecrecyParser) -> Iterator[Lawyer]:
    for each in objects_of(item.get("representantes"))[:MAX_LAWYERS]:
        name, oab = _parse_name(each), _parse_oab(each)
        if (name or oab) and secrecy_parser.parse_stated(each).is_open:
            yield Lawyer(name, _parse_word(each.get("tipoRepresentacao")), oab)


def _parse_oab(lawyer: dict[str, Any]) -> str | None:
    """Return the state and number of a registration with the bar, in the forms in which systems write it."""
    values = [lawyer.get(key) for key in ("oab", "numeroOab", "numeroOAB", "inscricaoOab", "inscricao")]
    state = next((lawyer[key] for key in ("ufOab", "ufOAB", "uf") if key in lawyer), None)
    for value in values:
        for each in value if isinstance(value, list) else [value]:
            found = _read_registration(each, state)
            if found is not None:
                return found
    return None


def _read_registration(value: object, state: object) -> str | None:
    if isinstance(value, dict):
        state = next((value[key] for key in ("uf", "siglaUf", "estado", "seccional") if key in value), state)
        if isinstance(state, dict):
            state = state.get("sigla")
        value = next((value[key] for key in ("numero", "inscricao", "oab") if key in value), None)
    text = (parse_text(value) or "").upper()
    prefix = (parse_text(state) or "").upper()
    for match, order in ((_OAB_STATE_FIRST.fullmatch(text), (1, 2)), (_OAB_NUMBER_FIRST.fullmatch(text), (2, 1))):
        if match and match[order[0]] in _STATES:
            return _join(match[order[0]], match[order[1]])
    if prefix in _STATES and re.fullmatch(r"[0-9.]{1,12}-?[A-Z]?", text):
        return _join(prefix, text)
    return None


def _join(state: str, number: str) -> str | None:
    # Eleven digits are a CPF.
    digits = _digits(number)
    return state + digits if 0 < len(digits) <= _MAX_REGISTRATION_DIGITS else None


def _digits(text: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", text)


def _parse_name(item: dict[str, Any]) -> str | None:
    name = parse_text(item.get("nome"))
    return _cut(without_numbers_in_name(name[: 4 * MAX_NAME_CHARACTERS])) or None if name else None


def _parse_word(value: object) -> str | None:
    text = parse_text(value)
    return without_numbers_in_name(text)[:_MAX_WORD_CHARACTERS] or None if text else None


def _cut(text: str | None) -> str | None:
    return text and text[:MAX_NAME_CHARACTERS]
