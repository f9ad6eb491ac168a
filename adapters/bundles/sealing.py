"""The seal: a line in the PDF with the place of the manifest, and the SHA-256 of everything but that line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import BinaryIO

# `autos_client_cli.bundle_files` reads this line: a comment, which readers of PDFs skip, before the last lines.
_SEAL = "%autos-bundle-1 manifest={offset}+{length} sha256={digest}\n"
_LAST_LINES = b"startxref"
# qpdf's identifier for tests. A real one would need a digest of everything before it.
_STATIC_ID = b"31415926535897932384626433832795"
_TAIL_BYTES = 2048
_BLOCK_BYTES = 1024**2
_POLL_SECONDS = 0.002


@contextmanager
def sealed_file(path: Path, manifest: bytes) -> Iterator[BinaryIO]:
    """Open a file to write a PDF to, from its beginning to its end, and seal it when the block ends.

    Args:
        path: Where to write.
        manifest: The manifest, which the PDF must contain as it is.

    Raises:
        ValueError: The PDF does not contain the manifest.
    """
    with path.open("wb") as file:
        follower = _Follower(path, manifest)
        try:
            yield file
            file.flush()
        finally:
            follower.finish()
    with path.open("r+b") as file:
        file.seek(follower.position)
        tail = file.read().replace(_STATIC_ID, hashlib.sha256(manifest).hexdigest()[: len(_STATIC_ID)].encode())
        follower.digest.update(tail)
        if follower.manifest_at < 0:
            raise ValueError("The PDF does not contain its manifest.")
        seal = _SEAL.format(
            offset=follower.manifest_at, length=len(manifest), digest=follower.digest.hexdigest()
        ).encode()
        end = tail.rindex(_LAST_LINES)
        file.seek(follower.position)
        file.write(tail[:end] + seal + tail[end:])


class _Follower:
    """Hashes a file in a thread of its own while it is written, except its last bytes.

    Attributes:
        position: Number of bytes that were hashed.
        manifest_at: Where the manifest begins. -1 if it was not found.
    """

    def __init__(self, path: Path, manifest: bytes) -> None:
        self.digest = hashlib.sha256()
        self.position = 0
        self.manifest_at = -1
        self._path = path
        self._manifest = manifest
        self._overlap = b""
        self._written = Event()
        self._thread = Thread(target=self._follow, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until everything was hashed that is written now, except the last bytes."""
        self._written.set()
        self._thread.join()

    def _follow(self) -> None:
        with self._path.open("rb") as file:
            while True:
                is_whole = self._written.is_set()
                ready = self._path.stat().st_size - _TAIL_BYTES - self.position
                if ready >= _BLOCK_BYTES or (is_whole and ready > 0):
                    self._take(file.read(min(ready, _BLOCK_BYTES)))
                elif is_whole:
                    return
                else:
                    self._written.wait(_POLL_SECONDS)

    def _take(self, block: bytes) -> None:
        self.digest.update(block)
        if self.manifest_at < 0:
            window = self._overlap + block
            if (at := window.find(self._manifest)) >= 0:
                self.manifest_at = self.position - len(self._overlap) + at
            self._overlap = window[-len(self._manifest) :]
        self.position += len(block)
