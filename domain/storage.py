"""Where documents are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class AddressingStyle(StrEnum):
    """Where requests name the bucket.

    AUTO: In the path if there is an endpoint, else in the host's name; in the other place if the store wants that.
    PATH: In the path: ``https://endpoint/bucket/key``.
    VIRTUAL: In the host's name: ``https://bucket.endpoint/key``.
    """

    AUTO = "auto"
    PATH = "path"
    VIRTUAL = "virtual"


@dataclass(frozen=True, slots=True)
class StorageAddress:
    """Where the bucket is and who we are there.

    Attributes:
        endpoint_url: none means AWS itself.
        access_key_id: none means that keys are looked for where AWS's own tools do.
        addressing_style: Where requests name the bucket.
    """

    bucket: str
    endpoint_url: str | None
    region: str
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    addressing_style: AddressingStyle = AddressingStyle.AUTO


# Every document's object is below it.
DOCUMENTS_PREFIX = "processes/"
# Written to see whether the store takes writes; always the same. Below the documents' prefix, so that a policy that
# goes by prefixes says the same of both.
WRITE_CHECK_KEY = f"{DOCUMENTS_PREFIX}write-check"


def object_prefix(process_number: str, document_id: str, version: int = 1) -> str:
    """Return the key of a document's object up to its extension, which is known only once its bytes have been seen.

    A later version has a key of its own, so that the former one stays.
    """
    suffix = "" if version == 1 else f"-v{version}"
    return f"{DOCUMENTS_PREFIX}{process_number}/{document_id}{suffix}"
