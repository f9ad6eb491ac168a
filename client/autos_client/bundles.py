"""The flows of bundles: request one, wait until it is ready, and save it, going on where a download broke off."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import IO, Any

from autos_client.bundle_models import Bundle
from autos_client.errors import AutosError, TookTooLong, Unavailable
from autos_client.flows import Download, Flow, RunBlocking, Sleep, is_store_outage, send, store_refusal
from autos_client.patience import Party, Patience, Retries
from autos_client.requests import Call, _parse_as, _parse_text_as, _path_segment, _process_path, _stream
from autos_client.streams import StatusStream
from autos_client.waits import MAX_WAIT_SECONDS, backoff_seconds, with_jitter

_POLL_SECONDS = 1.0
_MAX_ATTEMPTS = 4
_BLOCK_BYTES = 1024 * 1024


class BundleFailed(AutosError):
    """The bundle could not be built, or what was saved is not what the service states.

    Attributes:
        code: Why, such as ``scratch_full``.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({code})")
        self.code = code


@dataclass(frozen=True, slots=True)
class BundleState:
    """Where saving a bundle is, for ``on_progress``.

    Attributes:
        bundle: The bundle as the service last described it.
        saved_bytes: How much of its file is here.
    """

    bundle: Bundle
    saved_bytes: int = 0


@dataclass(frozen=True, slots=True)
class BundleOptions:
    """What a bundle is asked to be, as in ``Autos.request_bundle``."""

    format: str
    instances: Sequence[str] | None = None
    types: Sequence[str] | None = None
    filed_from: date | None = None
    filed_to: date | None = None
    document_ids: Sequence[str] | None = None
    order: str | None = None

    def body(self) -> dict[str, Any]:
        """Return the body of the request."""
        lists = {"instances": self.instances, "types": self.types, "document_ids": self.document_ids}
        days = {"filed_from": self.filed_from, "filed_to": self.filed_to}
        return {
            "format": self.format,
            **{name: list(values) for name, values in lists.items() if values is not None},
            **{name: day.isoformat() for name, day in days.items() if day is not None},
            **({"order": self.order} if self.order else {}),
        }


def request_call(number: str, options: BundleOptions, webhook_url: str | None = None) -> Call[Bundle]:
    """Request a bundle."""
    body = {**options.body(), **({"webhook_url": webhook_url} if webhook_url else {})}
    return Call("POST", _process_path(number, "bundles"), _parse_as(Bundle), json=body)


def get_call(number: str, bundle_id: str) -> Call[Bundle]:
    """Get a bundle, with a fresh link if it is ready."""
    return Call("GET", _process_path(number, "bundles", _path_segment(bundle_id)), _parse_as(Bundle))


def bundle_stream(bundle: Bundle) -> StatusStream[Bundle]:
    """Return the stream of a build."""
    path = _process_path(bundle.process_number, "bundles", _path_segment(bundle.id), "events")
    return StatusStream(partial(_stream, path), partial(_parse_text_as, Bundle))


def wait_until_ready(
    bundle: Bundle,
    patience: Patience,
    *,
    timeout: float | None,
    on_progress: Callable[[BundleState], None] | None = None,
) -> Flow[Bundle]:
    """Wait until a bundle is ready.

    Raises:
        BundleFailed: It could not be built.
        TookTooLong: The time is over.
        AutosError: The API refused, or did not answer.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        if on_progress:
            on_progress(BundleState(bundle))
        if bundle.state == "ready":
            return bundle
        if bundle.failure is not None:
            raise BundleFailed(bundle.failure.code, bundle.failure.answer)
        if deadline is not None and time.monotonic() >= deadline:
            raise TookTooLong(f"The bundle of {bundle.process_number} is still being built. Ask again later.")
        yield Sleep(with_jitter(_POLL_SECONDS) - _POLL_SECONDS / 4)
        bundle = yield from send(get_call(bundle.process_number, bundle.id), patience)


def save(
    number: str,
    path: Path,
    options: BundleOptions,
    patience: Patience,
    *,
    timeout: float | None,
    overwrite: bool,
    on_progress: Callable[[BundleState], None] | None,
) -> Flow[Bundle]:
    """Request a bundle, wait until it is ready, and save its file.

    Raises:
        FileExistsError: There is another file under this path, and it may not be replaced.
        OSError: The file cannot be written.
        BundleFailed: The bundle could not be built, or its file is not what the service states.
        AutosError: The API refused, or the API or the store did not answer.
    """
    bundle = yield from send(request_call(number, options), patience)
    bundle = yield from wait_until_ready(bundle, patience, timeout=timeout, on_progress=on_progress)
    state = yield RunBlocking(lambda: _state_of(path, bundle))
    if state == "same":
        return bundle
    if state == "other" and not overwrite:
        raise FileExistsError(f"{path} has other content; it was not changed.")
    yield RunBlocking(lambda: path.parent.mkdir(parents=True, exist_ok=True))
    yield from _download(bundle, path, patience, on_progress)
    return bundle


def _download(
    bundle: Bundle, path: Path, patience: Patience, on_progress: Callable[[BundleState], None] | None
) -> Flow[None]:
    """Download a file, from where an earlier attempt broke off. Each attempt has a fresh link.

    The unfinished file is kept when this fails, so that the next call goes on there.
    """
    # With the bundle's id: a part of another bundle is not continued.
    part = path.with_name(f"{path.name}.{bundle.id[:16]}.part")
    retries, failed_attempts = Retries(patience, Party.STORE), 0
    link = bundle.download_url
    while True:
        if link is None:
            fresh: Bundle = yield from send(get_call(bundle.process_number, bundle.id), patience)
            link = fresh.download_url
        if link is None:
            raise BundleFailed("not_fetched", "The service gives no link to the bundle.")
        delay: float | None = 0.0
        try:
            with part.open("ab") as file:
                sink = _PartSink(bundle, file, on_progress)
                is_whole = sink.saved_bytes == bundle.bytes
                status = 200 if is_whole else (yield Download(link, sink, sink.saved_bytes))
                if status not in (200, 206):
                    raise store_refusal(status)
                yield RunBlocking(sink.flush)
            yield RunBlocking(lambda: _commit(part, path, bundle))
            retries.answered()
            return
        except _Damaged as error:
            yield RunBlocking(part.unlink)
            failed_attempts += 1
            problem: AutosError = BundleFailed("damaged", str(error))
        except Unavailable as error:
            problem = error
            if error.status == 416:
                yield RunBlocking(part.unlink)
            if is_store_outage(error):
                delay = retries.delay_after(error)
            else:
                failed_attempts += 1
        if delay is None or failed_attempts >= _MAX_ATTEMPTS:
            raise problem
        if delay := delay or (backoff_seconds(failed_attempts) if failed_attempts > 1 else 0.0):
            yield Sleep(min(delay, MAX_WAIT_SECONDS))
        link = None


class _Damaged(Exception):
    """The bytes have another size or SHA-256 than the service states."""


class _PartSink:
    """Appends to an unfinished file."""

    def __init__(self, bundle: Bundle, file: IO[bytes], on_progress: Callable[[BundleState], None] | None) -> None:
        self._bundle = bundle
        self._file = file
        self._on_progress = on_progress
        self.saved_bytes = file.tell()

    def write(self, piece: bytes) -> None:
        self._file.write(piece)
        self.saved_bytes += len(piece)
        if self.saved_bytes > (self._bundle.bytes or 0):
            raise _Damaged("The file is longer than stated.")
        if self._on_progress:
            self._on_progress(BundleState(self._bundle, self.saved_bytes))

    def flush(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())


def _commit(part: Path, path: Path, bundle: Bundle) -> None:
    if _state_of(part, bundle) != "same":
        raise _Damaged("The file has not the SHA-256 that was stated.")
    part.replace(path)


def _state_of(path: Path, bundle: Bundle) -> str:
    """Return what there is under a path: ``missing``, the ``same`` file, or an ``other`` one."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return "missing"
    with file:
        digest = hashlib.sha256()
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return "same" if digest.hexdigest() == bundle.sha256 else "other"
