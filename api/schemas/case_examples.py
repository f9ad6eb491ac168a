"""The examples of the bodies of cases, for the API's description."""

from __future__ import annotations

from typing import Any, Final

_NUMBER: Final = "1011745-77.2025.8.11.0041"
_MOVEMENT: Final = {
    "key": "5f0c1de6b2b17f8a0a41cf6a3a0d2e4f6f3f2f5a3f2f0f1a7b6c5d4e3f2a1b0c",
    "degree": "G1",
    "occurred_at": "2025-03-17T16:21:47Z",
    "code": 60,
    "text": "Expedição de certidão",
    "document_id": "aa88bc62-81fc-5523-877c-7b10bd8b9530",
    "secrecy": "public",
    "listed": True,
}
_DOCUMENT: Final = {
    "id": "aa88bc62-81fc-5523-877c-7b10bd8b9530",
    "degree": "G1",
    "name": "Petição Inicial.pdf",
    "type": "Petição Inicial",
    "filed_at": "2025-03-17T16:21:47.698000Z",
    "secrecy": "public",
    "listed": True,
    "withheld": False,
}
_BASIC_DATA: Final = {
    "class_code": 7,
    "class_name": "Procedimento Comum Cível",
    "subjects": ["Indenização por Dano Moral"],
    "filed_at": "2025-03-17T12:25:00Z",
    "value": "15000.00",
}
CASE_BODIES: Final[dict[str, Any]] = {
    "CaseBody": {
        "process_number": _NUMBER,
        "court": "TJMT",
        "listed_at": "2026-01-31T12:00:00Z",
        "listed": True,
        "unlisted_at": None,
        "secrecy": "public",
        "withheld": False,
        **_BASIC_DATA,
        "instances": [
            {
                "key": "G1:45",
                "degree": "G1",
                "name": "1° Grau",
                "court_unit": "1ª VARA CÍVEL",
                "current": True,
                "listed": True,
                "secrecy": "public",
                "withheld": False,
                **_BASIC_DATA,
            }
        ],
        "parties": [
            {
                "instance": "G1:45",
                "pole": "ATIVO",
                "name": "AUTORA SINTÉTICA",
                "lawyers": [{"name": "ADVOGADA SINTÉTICA", "role": "ADVOGADO", "oab": "MT12345"}],
            }
        ],
        "related": [
            {
                "instance": "G1:45",
                "process_number": "1000002-36.2026.8.11.0041",
                "relation": "CONEXAO",
                "class_code": 7,
                "class_name": "Procedimento Comum Cível",
                "active": True,
            }
        ],
    },
    "TimelineBody": {
        "process_number": _NUMBER,
        "entries": [
            {"at": _MOVEMENT["occurred_at"], "movement": _MOVEMENT, "document": None},
            {"at": _DOCUMENT["filed_at"], "movement": None, "document": _DOCUMENT},
        ],
        "next_cursor": None,
        "timeline_next": None,
    },
    "ChangesBody": {
        "process_number": _NUMBER,
        "changes": [
            {
                "sequence": 1,
                "kind": "document_changed",
                "seen_at": "2026-01-31T12:00:00Z",
                "document": _DOCUMENT,
                "movement": None,
                "details": {"field": "name", "from": "Petição.pdf", "to": "Petição Inicial.pdf"},
            },
            {
                "sequence": 2,
                "kind": "movement_added",
                "seen_at": "2026-01-31T12:00:00Z",
                "document": None,
                "movement": _MOVEMENT,
                "details": {},
            },
        ],
        "next_cursor": None,
        "changes_next": None,
    },
}
