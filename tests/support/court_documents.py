"""Documents as the simulated court generates them."""

from __future__ import annotations

import hashlib

from domain.process_number import ProcessNumber
from simulator.case import Shape, build_case


def digest_of_only_document(number: str, size_bytes: int) -> str:
    """Return the SHA-256 of the one document of a process that was created with this document size."""
    (document,) = build_case(ProcessNumber.parse(number), Shape(documents=1, size_bytes=size_bytes)).documents
    digest = hashlib.sha256()
    for chunk in document.file().pieces():
        digest.update(chunk)
    return digest.hexdigest()
