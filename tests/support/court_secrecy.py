"""Secrecy levels that the court could send, in each of the places where it sends them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.support.portal_json import Json, details, piece, stage

# The words of documents, and the numbers of processes and instances, which may also be sent as text.
WORDS = (
    *("PUBLICO", "SEGREDO_JUSTICA", "SIGILO_MINIMO", "SIGILO_MEDIO", "SIGILO_INTENSO", "SIGILO_ABSOLUTO"),
    *("0", "1", "2", "3", "4", "5"),
)
OPEN = ("PUBLICO", "0", 0, None)
PLACES = ("process", "instance", "piece", "second source", "instance of the second source")

NOT_UNDERSTOOD: tuple[Any, ...] = (
    *("SIGILOSO", "Segredo de Justiça", "publico", "PUBLICO ", " PUBLICO", "PUBLICO\n", "PÚBLICO", "", " ", "null"),
    *("00", " 0", "0 ", "0.0", "-0", "+0", "٠", "６", "6", "99", "0x0", "false"),
    *(True, False, 0.0, 5.0, 0.5, float("nan"), float("inf"), 6, 99, -1, 2**70),
    *([], [0], ["PUBLICO"], {}, {"codigo": 0}, {"codigo": 5}, [[[]]]),
)

# Any JSON at all.
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=30)
    | st.sampled_from(NOT_UNDERSTOOD)
    | st.sampled_from(WORDS)
    | st.integers(-1, 7)
    | st.sampled_from(WORDS).flatmap(
        lambda word: st.sampled_from([word.lower(), f"{word} ", f"\t{word}", word[:-1]])
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def states_openness(value: object) -> bool:
    """Return whether a value is `None` or one of the values that the court is known to send for public."""
    return any(type(value) is type(known) and value == known for known in OPEN)


def stated(values: dict[str, Any], *, ids: tuple[str, str]) -> list[Json]:
    """Return details with one document from two sources and a level in each of the places; `None` omits the key."""
    first, second = (
        stage(
            piece(document_id, idOrigem="1", nivelSigilo=values.get(of_piece)),
            source=source,
            nivelSigilo=values.get(of_instance),
        )
        for document_id, source, of_piece, of_instance in (
            (ids[0], 45, "piece", "instance"),
            (ids[1], 46, "second source", "instance of the second source"),
        )
    )
    return details(first, second, nivelSigilo=values.get("process"))
