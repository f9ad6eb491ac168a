"""The sources of the court's bearer tokens."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from domain.court import TokenReport
from domain.errors import ConfigurationError, InvalidInput
from domain.tokens import read_token, token_expiry

if TYPE_CHECKING:
    from adapters.database.court_state import CourtStateRepository

# How long this worker uses the tokens that it has read.
_CACHE_SECONDS = 1.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Candidate:
    token: str
    source: str
    since: datetime


class CourtTokens:
    """`TokenSource` that chooses among the stored credentials, the token file and the environment.

    The newer one of the token file and the stored credentials is used, the environment's only if there is neither.
    A token that the court has rejected comes after the others.

    Args:
        court: Keeps the stored credentials.
        configured: The environment's token.
        file: A file with a token. It is read again whenever the cache of one second has expired.
    """

    def __init__(self, court: CourtStateRepository, *, configured: str | None, file: Path | None) -> None:
        self._court = court
        self._configured = configured
        self._file = file
        self._rejected_hashes: set[bytes] = set()
        self._candidates: list[_Candidate] = []
        self._renewable = False
        self._stored_version: int | None = None
        self._read_at: float | None = None
        self._lock = asyncio.Lock()
        self._last_problem: str | None = None

    async def get_token(self) -> str | None:
        """Return the token to use now. None if there is none."""
        best = await self._choose()
        return best.token if best else None

    async def replace_rejected(self, rejected: str | None) -> str | None:
        """Return a token other than the one that the court has just rejected. None if there is none.

        One that was rejected before is better than none: the court also answers 401 where a document is meant, and
        then the other documents must not fail with a token that is older.
        """
        if rejected is not None:
            self._rejected_hashes.add(_hash(rejected))
        self._read_at = None
        token = await self.get_token()
        if token is not None and _hash(token) not in self._rejected_hashes:
            return token
        return next((each.token for each in self._candidates if each.token != rejected), None)

    async def mark_accepted(self) -> None:
        """Forget earlier rejections of the current token: the court has just accepted it."""
        token = await self.get_token()
        if token is not None:
            self._rejected_hashes.discard(_hash(token))

    async def get_fingerprint(self) -> str | None:
        """Return a fingerprint of the current token, which tells it from others and reveals nothing else."""
        token = await self.get_token()
        return _fingerprint(token) if token is not None else None

    async def describe_token(self) -> TokenReport:
        """Return what may be shown of the current token. Reads all sources again."""
        self._read_at = None
        best = await self._choose()
        if best is None:
            return TokenReport(renewable=self._renewable, credentials_version=self._stored_version)
        return TokenReport(
            source=best.source,
            mark=_fingerprint(best.token),
            expires_at=token_expiry(best.token),
            renewable=best.source == "stored" and self._renewable,
            rejected=_hash(best.token) in self._rejected_hashes,
            credentials_version=self._stored_version,
        )

    async def _choose(self) -> _Candidate | None:
        async with self._lock:
            if self._read_at is None or time.monotonic() - self._read_at > _CACHE_SECONDS:
                self._candidates = await self._read_candidates()
                self._read_at = time.monotonic()
        accepted = [each for each in self._candidates if _hash(each.token) not in self._rejected_hashes]
        return next(iter(accepted or self._candidates), None)

    async def _read_candidates(self) -> list[_Candidate]:
        candidates = [each for each in (await self._read_stored(), self._read_file()) if each is not None]
        candidates.sort(key=lambda candidate: candidate.since, reverse=True)
        if self._configured is not None:
            candidates.append(_Candidate(self._configured, "environment", datetime.min.replace(tzinfo=UTC)))
        return candidates

    async def _read_stored(self) -> _Candidate | None:
        self._renewable, self._stored_version = False, None
        try:
            stored = await self._court.read_credentials()
        except ConfigurationError as error:
            self._log_problem(str(error))
            return None
        self._stored_version = 0 if stored is None else stored.version
        if stored is None:
            return None
        self._renewable = stored.refresh_token is not None
        if stored.access_token is None or stored.stored_at is None:
            return None
        return _Candidate(stored.access_token, "stored", stored.stored_at)

    def _read_file(self) -> _Candidate | None:
        if self._file is None:
            return None
        try:
            token = read_token(self._file.read_text(), field="AUTOS_COURT_TOKEN_FILE")
            return _Candidate(token, "file", datetime.fromtimestamp(self._file.stat().st_mtime, UTC))
        except (OSError, UnicodeDecodeError) as error:
            self._log_problem(f"The file of AUTOS_COURT_TOKEN_FILE cannot be read ({type(error).__name__}).")
        except InvalidInput as error:
            self._log_problem(str(error))
        return None

    def _log_problem(self, problem: str) -> None:
        if problem != self._last_problem:
            self._last_problem = problem
            _log.error("court credentials unusable", detail=problem)


class CandidateToken:
    """`TokenSource` of a credentials trial: it has the candidate's token and no other.

    So the court's response is about this token.
    """

    def __init__(self) -> None:
        self.token: str | None = None

    async def get_token(self) -> str | None:
        """Return the token on trial."""
        return self.token

    async def replace_rejected(self, rejected: str | None) -> str | None:
        """Return None: no other token may replace it."""
        return None

    async def mark_accepted(self) -> None:
        """Do nothing: rejections are not remembered here."""


def _fingerprint(token: str) -> str:
    return _hash(token).hex()[:16]


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
