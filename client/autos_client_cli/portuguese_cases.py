"""The Portuguese texts of `timeline` and `changes`, by their English ones."""

from __future__ import annotations

CASE_TEXTS = {
    "document added": "documento novo",
    "document no longer listed": "documento fora da lista",
    "document listed again": "documento de volta à lista",
    "document changed": "documento alterado",
    "movement added": "movimento novo",
    "secrecy changed": "sigilo alterado",
    "name": "nome",
    "filing date": "data de juntada",
    "size": "tamanho",
    "secrecy": "sigilo",
    "process": "processo",
    "instance": "instância",
    "Show the movements and documents of a process in the order of time, the latest first.": (
        "Mostra os movimentos e os documentos de um processo na ordem do tempo, os mais recentes primeiro."
    ),
    "Show what is new in a process since the first listing, or since a change that you have seen.": (
        "Mostra o que há de novo em um processo desde a primeira lista, ou desde uma mudança já vista."
    ),
    "Only changes after the one of this number.": "Só as mudanças depois da que tem este número.",
    "DEGREE": "GRAU",
    "WHAT": "O QUÊ",
    "SEEN": "VISTO EM",
    "CHANGE": "MUDANÇA",
    "Nothing is known of what happened in this process.": "Nada se sabe do que houve neste processo.",
    "Nothing has changed.": "Nada mudou.",
}
