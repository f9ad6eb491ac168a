"""The object store: any S3, over aioboto3."""

from adapters.storage.connection import open_s3
from adapters.storage.object_store import ObjectStore, name_of
from adapters.storage.uploads import PART_BYTES

__all__ = ["PART_BYTES", "ObjectStore", "name_of", "open_s3"]
