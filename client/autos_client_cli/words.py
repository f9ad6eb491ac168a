"""Statuses, phases, sizes and times in the user's words."""

from __future__ import annotations

from autos_client_cli.texts import LANGUAGE, Language, t

_WORDS = {
    "processing": t("under way"),
    "completed": t("completed"),
    "partial": t("partial"),
    "failed": t("failed"),
    "cancelled": t("cancelled"),
    "empty": t("empty"),
    "pending": t("pending"),
    "listing": t("listing"),
    "downloading": t("downloading"),
    "paused": t("paused"),
    "waiting_for_court": t("waiting for the court"),
    "waiting_for_store": t("waiting for the store"),
    "finishing": t("finishing"),
}

# Of the lines of a batch, which have the words for statuses too.
_ITEM_WORDS = {"queued": t("queued"), "invalid": t("invalid"), "duplicates": t("repeated"), "erased": t("erased")}
_DECISION_WORDS = {
    "complete": t("complete already"),
    "settled": t("settled already"),
    "active": t("under way already"),
    "started": t("started"),
}

_SIZE_UNITS = ("B", "kB", "MB", "GB", "TB")


def status_words(status: str, phase: str | None = None) -> str:
    """Return the words for a process's phase, or else its status. Those of a newer service stay as they are."""
    word = phase or status
    return _WORDS.get(word, word.replace("_", " "))


def item_words(state: str) -> str:
    """Return the words for the state of a line of a batch."""
    return _ITEM_WORDS.get(state) or status_words(state)


def decision_words(decision: str) -> str:
    """Return the words for what a request led to."""
    return _DECISION_WORDS.get(decision, decision.replace("_", " "))


def status_named(words: str) -> str:
    """Return the API's name of a status, which may be given in the user's words. Other words stay as they are."""
    names = {shown: name for name, shown in _WORDS.items()}
    return names.get(words.lower(), words)


def number_text(number: int) -> str:
    """Return a number with separators of thousands."""
    text = f"{number:,}"
    return text.replace(",", ".") if LANGUAGE is Language.PORTUGUESE else text


def decimal_text(number: float) -> str:
    """Return a number with one decimal."""
    text = f"{number:,.1f}"
    return text.translate(str.maketrans(",.", ".,")) if LANGUAGE is Language.PORTUGUESE else text


def size_text(size_bytes: float) -> str:
    """Return a size with its unit, in powers of a thousand."""
    power = 0
    while size_bytes >= 1000 and power < len(_SIZE_UNITS) - 1:
        size_bytes /= 1000
        power += 1
    return f"{decimal_text(size_bytes) if power else int(size_bytes)} {_SIZE_UNITS[power]}"


def duration_text(seconds: float) -> str:
    """Return a time in its two largest units: ``45 s``, ``10 min``, ``1 h 05 min``."""
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3600:
        minutes, rest = divmod(rounded, 60)
        return f"{minutes} min {rest:02} s" if rest and minutes < 10 else f"{round(seconds / 60)} min"
    hours, rest = divmod(rounded, 3600)
    return f"{hours} h {rest // 60:02} min"


def count_text(number: int, one: str, many: str) -> str:
    """Return a number and what is counted. Both texts have the placeholder ``{count}``."""
    return (one if number == 1 else many).format(count=number_text(number))
