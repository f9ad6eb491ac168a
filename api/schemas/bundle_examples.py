"""The examples of bundles, for the API's description."""

from __future__ import annotations

from typing import Any, Final

_NUMBER: Final = "1011745-77.2025.8.11.0041"
_BUNDLE_ID: Final = "4a1b6d2f0c9e8d7a5b3c1f2e4d6a8b0c9e7f5d3b1a2c4e6f8d0b9a7c5e3f1d2b"

READY_BUNDLE: Final[dict[str, Any]] = {
    "id": _BUNDLE_ID,
    "process_number": _NUMBER,
    "state": "ready",
    "format": "pdf",
    "options": {
        "instances": [],
        "types": [],
        "filed_from": None,
        "filed_to": None,
        "document_ids": [],
        "order": "filed",
    },
    "created_at": "2026-01-31T12:00:00Z",
    "ended_at": "2026-01-31T12:00:09Z",
    "total_documents": 30,
    "total_bytes": 18432211,
    "progress": {"documents": 30, "pages": 214, "bytes": 18432211},
    "pages": 214,
    "bytes": 18650114,
    "sha256": "9732e0b3099c48777127d4c00dd595eb362d3e4592091ae79892fa0f4efbd48c",
    "secrecy": "public",
    "download_url": f"https://store.example/autos/bundles/{_NUMBER}/{_BUNDLE_ID}.pdf?X-Amz-Signature=…",
    "download_url_expires_at": "2026-01-31T13:00:00Z",
    "omitted": [
        {
            "position": 7,
            "document_id": "aa88bc62-81fc-5523-877c-7b10bd8b9530",
            "name": "Audiência.mp4",
            "reason": "video",
            "text": "Vídeo: não tem páginas.",
        }
    ],
    "withheld_documents": 0,
    "failure": None,
}
OPEN_BUNDLE: Final[dict[str, Any]] = {
    **READY_BUNDLE,
    "state": "building",
    "ended_at": None,
    "progress": {"documents": 12, "pages": 0, "bytes": 7340032},
    "pages": None,
    "bytes": None,
    "sha256": None,
    "download_url": None,
    "download_url_expires_at": None,
    "omitted": None,
}
