"""The examples of the API's description about watches and events."""

from __future__ import annotations

from typing import Any, Final

_NUMBER: Final = "1011745-77.2025.8.11.0041"
_WATCH: Final = {
    "process_number": _NUMBER,
    "client": "office",
    "state": "active",
    "every_seconds": 86400,
    "webhook_url": "https://office.example/autos",
    "notify": "new",
    "download": True,
    "created_at": "2026-01-31T12:00:00Z",
    "last_checked_at": "2026-01-31T13:04:11Z",
    "next_look_at": "2026-02-01T13:04:07Z",
    "failure_code": None,
}

WATCH_BODIES: Final[dict[str, dict[str, Any]]] = {
    "WatchBody": _WATCH,
    "WatchesBody": {"watches": [_WATCH], "next_cursor": None, "watches_next": None},
    "NewWatchesResultBody": {
        "watched": 1,
        "invalid": 1,
        "erased": 0,
        "duplicates": 0,
        "items": [
            {
                "position": 1,
                "given": _NUMBER,
                "process_number": _NUMBER,
                "state": "watched",
                "problem": None,
            },
            {
                "position": 2,
                "given": "1011745-78.2025.8.11.0041",
                "process_number": None,
                "state": "invalid",
                "problem": {
                    "code": "invalid_process_number",
                    "detail": "The check digits of 1011745-78.2025.8.11.0041 are wrong.",
                },
            },
        ],
    },
    "EventsBody": {
        "events": [
            {
                "number": 7,
                "id": "evt_5a1f0d3c9b7e4f6a8c2d1e0f9a8b7c6d",
                "type": "process.documents_added",
                "version": 1,
                "timestamp": "2026-02-01T13:04:12Z",
                "data": {
                    "process_number": _NUMBER,
                    "court": "TJMT",
                    "run_id": "01a22a48-80e4-7dd8-8ba0-3f85f359c20a",
                    "checked_at": "2026-02-01T13:04:10Z",
                    "added_documents": 1,
                    "available_documents": 1,
                    "pending_documents": 0,
                    "failed_documents": 0,
                    "no_content_documents": 0,
                    "document_ids": ["aa88bc62-81fc-5523-877c-7b10bd8b9530"],
                    "changes_url": f"https://autos.example/processes/{_NUMBER}/changes?after=12",
                },
            }
        ],
        "next_after": 7,
        "has_more": False,
        "missed": False,
        "events_next": None,
    },
}
