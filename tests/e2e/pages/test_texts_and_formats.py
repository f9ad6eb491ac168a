"""The texts of the pages in both languages, and how each formats numbers and times."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.pages import formats
from api.pages.document_list import PageView
from api.pages.rendering import Translator
from api.pages.texts import TEXTS, Language, preferred_language
from domain.cases import ChangeKind
from domain.completeness import Phase, ProcessStatus
from domain.document_search import DocumentOrder, DocumentState
from domain.errors import FailureCode
from domain.secrecy import Secrecy
from domain.watches import WatchState

EN, PT = Language.ENGLISH, Language.PORTUGUESE
TEMPLATES = Path(formats.__file__).parent / "templates"


def test_both_languages_have_the_same_texts_with_the_same_values() -> None:
    assert TEXTS[EN].keys() == TEXTS[PT].keys()
    for key, text in TEXTS[EN].items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", TEXTS[PT][key])), key


def test_every_status_phase_and_failure_has_a_text() -> None:
    for kind, codes in (
        ("status", ProcessStatus),
        ("phase", Phase),
        ("document", DocumentState),
        ("count", DocumentState),
        ("order", DocumentOrder),
        ("failure", FailureCode),
        ("view", PageView),
        ("change", ChangeKind),
        ("secrecy", Secrecy),
        ("watch", WatchState),
        ("watch_why", WatchState),
    ):
        assert [code for code in codes if f"{kind}.{code}" not in TEXTS[EN]] == []


def test_the_templates_use_every_text_and_only_existing_ones() -> None:
    templates = "".join(path.read_text() for path in TEMPLATES.iterdir())
    named = set(re.findall(r'\bt\("(\w+)"[,)]', templates))
    assert named - TEXTS[EN].keys() == set()
    sources = templates + "".join(path.read_text() for path in TEMPLATES.parent.glob("[!t]*.py"))
    plain_keys = {
        key
        for key in TEXTS[EN]
        if not re.match(
            r"(status|phase|document|failure|problem|column|count|order|view|changed?|secrecy|secrecy_of|watch|watch_why)\."
            r"|(problem|column|every)_",
            key,
        )
    }
    assert {key for key in plain_keys if f'"{key}"' not in sources} == set()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, EN),
        ("", EN),
        ("pt-BR,pt;q=0.9,en;q=0.8", PT),
        ("pt", PT),
        ("en-US,en;q=0.9,pt;q=0.8", EN),
        ("en;q=0.5, pt-PT;q=0.7", PT),
        ("de, fr;q=0.9", EN),
        ("de, pt;q=0.1", PT),
        ("pt;q=0, en;q=0.1", EN),
        ("pt;q=much, ;;,=", EN),
    ],
)
def test_the_language_is_the_first_supported_one_of_accept_language(header: str | None, language: Language) -> None:
    assert preferred_language(header) is language


@pytest.mark.parametrize(
    ("amount", "english", "portuguese"),
    [
        (0, "0 B", "0 B"),
        (999, "999 B", "999 B"),
        (1_000, "1.0 kB", "1,0 kB"),
        (99_940, "99.9 kB", "99,9 kB"),
        (123_456, "123 kB", "123 kB"),
        (999_600, "1.0 MB", "1,0 MB"),
        (35_000_000_000_000_000, "35,000 TB", "35.000 TB"),
    ],
)
def test_sizes(amount: int, english: str, portuguese: str) -> None:
    assert formats.size(amount, EN) == english
    assert formats.size(amount, PT) == portuguese


def test_times_are_in_the_time_zone_of_brasilia() -> None:
    moment = datetime(2025, 3, 4, 1, 5, tzinfo=UTC)
    assert formats.day_and_time(moment, EN) == "03 Mar 2025, 22:05"
    assert formats.day_and_time(moment, PT) == "03/03/2025, 22:05"


@pytest.mark.parametrize(
    ("seconds", "english", "portuguese"),
    [
        (3600, "Every hour", "A cada hora"),
        (86_400, "Every day", "Todo dia"),
        (7 * 86_400, "Every 7 days", "A cada 7 dias"),
        (36 * 3600, "Every 36 hours", "A cada 36 horas"),
        (3661, "Every 61 minutes", "A cada 61 minutos"),
    ],
)
def test_intervals_are_in_the_largest_whole_unit(seconds: int, english: str, portuguese: str) -> None:
    assert (Translator(EN).interval(seconds), Translator(PT).interval(seconds)) == (english, portuguese)


def test_amounts_of_money() -> None:
    assert formats.reais("9999999999999999.99", EN) == "R$ 9,999,999,999,999,999.99"
    assert formats.reais("15000.00", PT) == "R$ 15.000,00"


def test_numbers() -> None:
    assert formats.number(12345, EN) == "12,345"
    assert formats.number(12345, PT) == "12.345"
