"""Parse the parties of a process, and the processes that the court relates to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
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
# How many spellings of a sealed lawyer may lead from one to the next.
_MAX_SPELLINGS = 10
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
        self._stages: list[tuple[dict[str, Any], Instance]] = []
        self._parties: dict[tuple[str, str, str], tuple[Party, Instance]] = {}
        self._sealed_names: set[str] = set()
        # By their names and registrations with the bar.
        self._sealed_lawyers: set[str] = set()
        self._count = 0

    def add(self, stage: dict[str, Any], instance: Instance) -> None:
        """Add the parties of one instance.

        Args:
            stage: The instance's JSON object.
            instance: The instance.
        """
        self._stages.append((stage, instance))

    def merged_parties(self) -> Iterator[Party]:
        """Yield the parties in the court's order."""
        # Sealed by one system or under one party, somebody is sealed: another may list them without the mark. So
        # this comes first, and is not limited.
        for stage, _ in self._stages:
            for item in objects_of(stage.get("partes")):
                self._collect_sealed(item)
        for stage, instance in self._stages:
            for item in objects_of(stage.get("partes")):
                self._count += 1
                name = _parse_name(item)
                if name is not None and self._count <= MAX_PARTIES and fold(name) not in self._sealed_names:
                    self._add_party(item, name, instance)
        if self._seals_anybody:
            self._seal_other_spellings()
        for party, instance in self._parties.values():
            lawyers = tuple(each for each in party.lawyers if not self._is_sealed(_words_of(each)))
            yield replace(party, instance_key=instance.key, lawyers=lawyers)

    def _collect_sealed(self, item: dict[str, Any]) -> None:
        name = _parse_name(item)
        if name is not None and not self._secrecy_parser.parse_stated(item).is_open:
            self._sealed_names.add(fold(name))
        for each in objects_of(item.get("representantes")):
            if not self._secrecy_parser.parse_stated(each).is_open:
                self._sealed_lawyers |= _words_in(each)

    def _seal_other_spellings(self) -> None:
        """Seal the lawyers who have a name or a registration of a sealed one, and whoever has one of theirs."""
        for _ in range(_MAX_SPELLINGS):
            known = len(self._sealed_lawyers)
            for party, _instance in self._parties.values():
                for lawyer in party.lawyers:
                    if self._is_sealed(words := _words_of(lawyer)):
                        self._sealed_lawyers |= words
            if len(self._sealed_lawyers) == known:
                return
        # No real process gets here. Who is who is not understood.
        for key, (party, instance) in self._parties.items():
            self._parties[key] = replace(party, lawyers=()), instance

    @property
    def _seals_anybody(self) -> bool:
        return bool(self._sealed_lawyers or self._sealed_names)

    def _is_sealed(self, words: Set[str]) -> bool:
        return not (words.isdisjoint(self._sealed_lawyers) and words.isdisjoint(self._sealed_names))

    def _add_party(self, item: dict[str, Any], name: str, instance: Instance) -> None:
        pole = _parse_word(item.get("polo"))
        lawyers = tuple(self._parse_lawyers(item))
        key = (instance.degree or instance.key, pole or "", fold(name))
        earlier = self._parties.get(key)
        if earlier is None:
            self._parties[key] = Party(instance.key, name, pole, lawyers), instance
            return
        party, known = earlier
        # Of two systems, the one that restricts its instance decides who may read.
        stricter = instance if strictest([known.secrecy, instance.secrecy]) is not known.secrecy else known
        self._parties[key] = replace(party, lawyers=party.lawyers or lawyers), stricter

    def _parse_lawyers(self, item: dict[str, Any]) -> Iterator[Lawyer]:
        for each in objects_of(item.get("representantes"))[:MAX_LAWYERS]:
            name, oab = _parse_name(each), next(_parse_registrations(each), None)
            if (name or oab) and self._secrecy_parser.parse_stated(each).is_open:
                if self._seals_anybody and self._is_sealed(words := _words_in(each)):
                    self._sealed_lawyers |= words
                else:
                    yield Lawyer(name, _parse_word(each.get("tipoRepresentacao")), oab)


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


def _words_in(lawyer: dict[str, Any]) -> frozenset[str]:
    """Return what identifies a lawyer: the name, and every registration."""
    name = _parse_name(lawyer)
    return _words(name, *_parse_registrations(lawyer))


def _words_of(lawyer: Lawyer) -> frozenset[str]:
    return _words(lawyer.name, *([lawyer.oab] if lawyer.oab else []))


def _words(name: str | None, *registrations: str) -> frozenset[str]:
    # Systems write the same number with and without leading zeros and the letter of its kind.
    numbers = {each[:2] + re.sub("[A-Z]", "", each[2:]).lstrip("0") for each in registrations}
    return frozenset(numbers | ({fold(name)} if name else set()))


def _parse_registrations(lawyer: dict[str, Any]) -> Iterator[str]:
    """Yield the registrations with the bar, state and number, in the forms in which systems write them."""
    values = [lawyer.get(key) for key in ("oab", "numeroOab", "numeroOAB", "inscricaoOab", "inscricao")]
    state = next((lawyer[key] for key in ("ufOab", "ufOAB", "uf") if key in lawyer), None)
    for value in values:
        for each in value if isinstance(value, list) else [value]:
            found = _read_registration(each, state)
            if found is not None:
                yield found


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
