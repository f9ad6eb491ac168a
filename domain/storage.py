"""Where documents are stored: the bucket and the keys of objects."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum


class AddressingStyle(StrEnum):
    """Where requests name the bucket.

    AUTO: In the path if an endpoint is set, and in the host name otherwise. If the store refuses the path, in the
        host name.
    PATH: In the path: ``https://endpoint/bucket/key``.
    VIRTUAL: In the host name: ``https://bucket.endpoint/key``.
    """

    AUTO = "auto"
    PATH = "path"
    VIRTUAL = "virtual"


@dataclass(frozen=True, slots=True)
class StorageAddress:
    """Where the bucket is, and our keys there.

    Attributes:
        endpoint_url: None means AWS itself.
        access_key_id: None means that keys are searched where AWS's own tools search them.
        addressing_style: Where requests name the bucket.
    """

    bucket: str
    endpoint_url: str | None
    region: str
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    addressing_style: AddressingStyle = AddressingStyle.AUTO


# The common prefix of all documents' objects. What belongs to a process is under `process_prefixes`.
DOCUMENTS_PREFIX = "processes/"
# The common prefix of bundles, and of what was converted for them. All of it can be made again.
BUNDLES_PREFIX = "bundles/"
# The write check overwrites this one object. It has the documents' prefix, so that a bucket policy by prefix treats
# both alike.
WRITE_CHECK_KEY = f"{DOCUMENTS_PREFIX}write-check"

# The keys of the objects that `autos doctor` writes and deletes again.
PROBE_PREFIX = f"{DOCUMENTS_PREFIX}doctor-"

# Of the digest of a media type. There are few of them.
_KIND_LETTERS = 16


def process_prefixes(process_number: str) -> tuple[str, ...]:
    """Return every prefix under which objects of a process are stored. An erasure empties all of them."""
    return (f"{DOCUMENTS_PREFIX}{process_number}/", bundles_prefix(process_number))


def bundles_prefix(process_number: str) -> str:
    """Return the prefix of the bundles of a process, and of what was converted for them."""
    return f"{BUNDLES_PREFIX}{process_number}/"


def bundle_prefix(process_number: str, bundle_id: str) -> str:
    """Return the prefix of the files that attempts to build a bundle have stored."""
    return f"{bundles_prefix(process_number)}{bundle_id}."


def bundle_key(process_number: str, bundle_id: str, attempt: str, extension: str) -> str:
    """Return the key of a file of a bundle.

    Args:
        attempt: A token of the attempt that stores it, so that no attempt overwrites the file of another.
    """
    return f"{bundle_prefix(process_number, bundle_id)}{attempt}.{extension}"


def converted_key(process_number: str, sha256: str, media_type: str, recipe: int) -> str:
    """Return the key of the PDF that a document was converted to.

    The same bytes, listed with another media type, are converted in another way.

    Args:
        process_number: The process of the document. Each has its own, so that an erasure leaves nothing behind.
        sha256: The digest of the document's bytes.
        media_type: Their media type. It may have characters that keys should not have, so its digest is in the key.
        recipe: The version of the conversion.
    """
    kind = hashlib.sha256(media_type.encode()).hexdigest()[:_KIND_LETTERS]
    return f"{bundles_prefix(process_number)}converted/{sha256}-{kind}-{recipe}.pdf"


def object_prefix(process_number: str, document_id: str, version: int = 1) -> str:
    """Return the key of a document's object without its extension, which is known only once its bytes were read.

    A later version has a key of its own, so that the former version is kept.
    """
    suffix = "" if version == 1 else f"-v{version}"
    return f"{DOCUMENTS_PREFIX}{process_number}/{document_id}{suffix}"


def process_of_bundle_key(key: str) -> tuple[str | None, bool]:
    """Return the process number in a key below ``bundles/``, and whether it is of a converted document."""
    parts = key.removeprefix(BUNDLES_PREFIX).split("/")
    return (parts[0] if len(parts) > 1 else None), len(parts) == 3 and parts[1] == "converted"
