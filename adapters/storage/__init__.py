"""The object store: any S3-compatible store, over aioboto3."""

from adapters.storage.connection import open_s3
from adapters.storage.object_store import ObjectStore, read_document_name
from adapters.storage.uploads import PART_BYTES

__all__ = ["PART_BYTES", "ObjectStore", "open_s3", "read_document_name"]
