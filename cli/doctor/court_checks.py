"""Checks of the court, its token, and the circuit breakers."""

from __future__ import annotations

from datetime import UTC, datetime

from activities.court_rate_limiter import CourtRateLimiter
from adapters.temporal.connection import read_queue_rate_limit
from cli.doctor.findings import CheckName, Fault, Finding, failed, ok, skipped, warning
from cli.doctor.parts import Parts
from domain.court import NONEXISTENT_PROCESS, TokenReport
from domain.errors import CourtFailure, DependencyUnavailable, FailureCode
from domain.serializers import format_timestamp
from worker_parts import create_court_tokens, open_court
from workflows.options import COURT_QUEUE

NEW_TOKEN = "Provide a new token: `autos court login`, AUTOS_COURT_TOKEN_FILE or AUTOS_COURT_TOKEN."  # noqa: S105
COURT_AWAY = (
    "Check AUTOS_COURT_BASE_URL, the other AUTOS_COURT_… settings and the way there. If the court itself is down, "
    "nothing: runs wait for it and go on by themselves."
)
_REMEDIES = {
    FailureCode.COURT_THROTTLED: "Nothing now; if it happens again, lower AUTOS_COURT_REQUESTS_PER_SECOND.",
    FailureCode.COURT_BLOCKED: "Lower AUTOS_COURT_REQUESTS_PER_SECOND, and ask the court whether it still serves "
    "this address and AUTOS_COURT_USER_AGENT.",
}


async def check_circuits(parts: Parts) -> Finding:
    """Say whether the circuit breakers of the court and of the store are closed."""
    parts.court_state = court = await parts.catalog.court_state.read_state()
    store = await parts.catalog.store_circuit.read()
    opened = []
    if court.failure_code is not None:
        opened.append(
            f"the court's is open since {_time(court.since)} ({court.failure_code}), "
            f"its next probe is due {_time(court.next_probe_at)}"
        )
    if store.reason is not None:
        opened.append(
            f"the store's is open since {_time(store.since)}, its next probe is due {_time(store.next_probe_at)}"
        )
    if opened:
        text = "; ".join(opened)
        return warning(
            f"{text[0].upper()}{text[1:]}.",
            "It closes by itself at the first probe that succeeds; only a worker makes probes.",
        )
    return ok("The circuit breakers of the court and of the store are closed.")


async def check_court(parts: Parts) -> Finding:
    """Send one cheap request within the deployment's rate, unless the circuit breaker forbids requests."""
    state = parts.court_state
    if state is not None and (failure := state.failure) is not None:
        if failure.code is FailureCode.CREDENTIALS_REJECTED:
            return skipped("The court is not asked, since it rejects the token: see court_token.")
        return _judge_failure(parts, failure, " It is not asked while its circuit breaker is open.")
    tokens = create_court_tokens(parts.catalog, parts.settings)
    if await tokens.get_token() is None:
        return skipped("There is no token to ask the court with: see court_token.")
    operators_rate = await _read_operators_rate(parts)
    if operators_rate == 0:
        return warning(
            "The court is not asked: an operator has set the rate of the task queue to 0.",
            "Remove it when requests may go out again: `temporal task-queue config set`.",
        )

    async def rate() -> float | None:
        return operators_rate

    limiter = CourtRateLimiter(parts.catalog.court_rate_limit, parts.settings.court_requests_per_second, rate)
    parts.stack.push_async_callback(limiter.close)
    parts.court = court = await open_court(parts.stack, parts.settings, tokens, limiter, concurrency=1)
    try:
        await court.probe(NONEXISTENT_PROCESS)
    except CourtFailure as failure:
        parts.court_failure = failure
        if failure.code is not FailureCode.CREDENTIALS_REJECTED:
            return _judge_failure(parts, failure)
    else:
        parts.token_accepted = True
    return ok(f"The court answers at {parts.settings.court_origin}.")


async def check_court_token(parts: Parts) -> Finding:
    """Check that there is a token, that it has not expired, and that the court has accepted it."""
    token = await create_court_tokens(parts.catalog, parts.settings).describe_token()
    now = datetime.now(UTC)
    if token.source is None:
        return failed(f"There is no token for the court.{_describe_file_problem(parts)}", NEW_TOKEN, Fault.SETTING)
    expired = token.expires_at is not None and token.expires_at <= now
    described = _describe_token(token, now)
    if _is_rejected(parts, token):
        remedy = f"Check this machine's clock, and start a worker to renew it. Or: {NEW_TOKEN}"
        return failed(
            f"The court rejects the token ({described}).",
            remedy if token.renewable and expired else NEW_TOKEN,
            Fault.SETTING,
        )
    if expired and not token.renewable:
        return failed(f"The token is over ({described}).", NEW_TOKEN, Fault.SETTING)
    if expired:
        return warning(f"The token is over ({described}).", "A worker renews it; start one if there is none.")
    verdict = (
        "The court accepts the token"
        if parts.token_accepted
        else "The court has not said whether it takes the token"
    )
    if token.needs_help_soon(now):
        return warning(f"{verdict}, and it ends within half an hour ({described}).", NEW_TOKEN)
    return ok(f"{verdict} ({described}).")


def _judge_failure(parts: Parts, failure: CourtFailure, more: str = "") -> Finding:
    return failed(
        f"The court at {parts.settings.court_origin} is not usable ({failure.code}): {failure.answer}{more}",
        _REMEDIES.get(failure.code, COURT_AWAY),
    )


def _is_rejected(parts: Parts, token: TokenReport) -> bool:
    state = parts.court_state
    known = (
        state is not None
        and state.failure_code is FailureCode.CREDENTIALS_REJECTED
        and state.refused_token in (None, token.mark)
    )
    now = parts.court_failure
    return known or (now is not None and now.code is FailureCode.CREDENTIALS_REJECTED)


async def _read_operators_rate(parts: Parts) -> float | None:
    """Return the rate that an operator has set while the service runs, if Temporal says so."""
    if parts.temporal is None or not parts.is_usable(CheckName.NAMESPACE):
        return None
    try:
        return await read_queue_rate_limit(parts.temporal, COURT_QUEUE)
    except DependencyUnavailable:
        return None


def _describe_token(token: TokenReport, now: datetime) -> str:
    if token.expires_at is None:
        ends = "it does not say when it expires"
    else:
        ends = f"{'expired' if token.expires_at <= now else 'expires'} at {_time(token.expires_at)}"
    return f"{token.source}, {ends}, {'' if token.renewable else 'not '}renewed automatically"


def _describe_file_problem(parts: Parts) -> str:
    file = parts.settings.court_token_file
    if file is None:
        return ""
    try:
        file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        return f" The file of AUTOS_COURT_TOKEN_FILE cannot be read here ({type(error).__name__})."
    return " The file of AUTOS_COURT_TOKEN_FILE holds none."


def _time(moment: datetime | None) -> str:
    return format_timestamp(moment) or "at a time not yet known"
