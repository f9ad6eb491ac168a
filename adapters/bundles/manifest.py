"""The manifest of a bundle: what is inside and what is missing, for programs. `autos verify` reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from domain.bundle_contents import RECIPE_VERSION, CoverFacts, Omission, Piece

MANIFEST_NAME = "manifest.json"
# Of the manifest's fields. `autos_client_cli.bundle_files` reads it.
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Inside:
    """A piece that is inside, and where.

    Attributes:
        place: Fields that say where, such as the name of a member.
    """

    piece: Piece
    place: dict[str, Any]


def write_manifest(kind: str, facts: CoverFacts, inside: Iterable[Inside], omissions: Iterable[Omission]) -> bytes:
    """Return the manifest of a bundle as JSON. The same contents are the same bytes.

    Args:
        kind: ``pdf`` or ``zip``.
        facts: What the bundle says of its process.
        inside: The pieces that are inside, in their order.
        omissions: What is missing.
    """
    manifest = {
        "autos_bundle": _SCHEMA,
        "format": kind,
        "recipe_version": RECIPE_VERSION,
        "process_number": facts.number,
        "court": facts.court,
        "class_name": facts.class_name,
        "listed_at": facts.listed_at.isoformat() if facts.listed_at else None,
        "total_documents": facts.total_documents,
        "documents": [_describe(each.piece) | each.place for each in inside],
        "omitted": [
            {
                "position": omission.position,
                "document_id": omission.document_id,
                "name": omission.name,
                "reason": omission.reason.value,
                "text": omission.text,
            }
            for omission in omissions
        ],
    }
    return json.dumps(manifest, ensure_ascii=False, indent=1).encode(errors="replace") + b"\n"


def _describe(piece: Piece) -> dict[str, Any]:
    return {
        "position": piece.position,
        "document_id": piece.document_id,
        "instance": piece.instance,
        "name": piece.name,
        "type": piece.type_name,
        "filed_at": piece.filed_at.isoformat() if piece.filed_at else None,
        "media_type": piece.media_type,
        "size_bytes": piece.size_bytes,
        "sha256": piece.sha256,
    }
