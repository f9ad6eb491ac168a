"""Checks of what is on this machine: settings, clock, disk, and who may use the API."""

from __future__ import annotations

import difflib
import shutil
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.webhooks import AddressGuard, WebhookSender
from cli.doctor.findings import CheckName, Fault, Finding, failed, ok, skipped, warning
from cli.doctor.parts import Parts
from domain.keys import EXPIRY_NOTICE, ApiKey
from domain.text import counted
from settings import Settings, find_unknown_variables

_GIB = 1024**3
_FULL_BYTES = 100 * 1024**2
_LOW_BYTES = _GIB
# Signatures of requests and of links are refused beyond a quarter of an hour by AWS, and earlier by other stores.
_WRONG_CLOCK = timedelta(minutes=5)
_DOUBTFUL_CLOCK = timedelta(seconds=60)
_COURT = "the court"
_NEW_SECRET = "Set AUTOS_WEBHOOK_SECRET to whsec_ and the base64 of 32 random bytes."  # noqa: S105


async def check_settings(parts: Parts) -> Finding:
    """Look for what the settings themselves show to be wrong. That they can be read is known by now."""
    settings = parts.settings
    unknown = find_unknown_variables()
    if settings.webhook_secret is not None:
        guard = AddressGuard(settings.webhook_policy)
        proxy = settings.webhook_proxy_url.get_secret_value() if settings.webhook_proxy_url else None
        try:
            await WebhookSender(settings.webhook_secret.get_secret_value(), guard, proxy_url=proxy).close()
        finally:
            guard.close()
    if unknown:
        return warning(
            f"Nothing reads {', '.join(unknown)}.", f"{_suggest_names(unknown)}.env.example has every setting."
        )
    if settings.webhook_secret is None:
        return warning("AUTOS_WEBHOOK_SECRET is not set: `autos worker` does not start without it.", _NEW_SECRET)
    return ok(f"They can be read. The data folder is {settings.data_dir.absolute()}.")


def _suggest_names(unknown: list[str]) -> str:
    known = [f"AUTOS_{name}".upper() for name in Settings.model_fields]
    near = {name: difflib.get_close_matches(name, known, n=1) for name in unknown}
    return "".join(f"Is {name} meant to be {match[0]}? " for name, match in near.items() if match)


async def check_clock(parts: Parts) -> Finding:
    """Compare this machine's clock with those of the parts that have answered."""
    skews = {
        "the database": parts.database_skew,
        "the store": parts.bucket.clock_skew if parts.bucket else None,
        _COURT: parts.court.clock_skew if parts.court else None,
    }
    known = {name: skew for name, skew in skews.items() if skew is not None}
    if not known:
        return skipped("No other clock has answered.")
    wrong = {name: skew for name, skew in known.items() if abs(skew) > _DOUBTFUL_CLOCK}
    if not wrong:
        return ok(f"This machine's clock agrees with that of {_listed(known)}.")
    found = "; ".join(f"the clock of {name} is {_describe_skew(skew)}" for name, skew in wrong.items())
    found = f"{found[0].upper()}{found[1:]}."
    if len(wrong) == len(known):
        remedy = "Set this machine's clock (NTP): signatures and tokens depend on it."
    elif wrong.keys() == {_COURT}:
        return warning(found, "Nothing: the other clocks agree with this machine's.")
    else:
        ours = _listed(name for name in wrong if name != _COURT)
        remedy = f"Set the clock of {ours}: another one agrees with this machine's. Signatures depend on it."
    judge = failed if any(abs(skew) > _WRONG_CLOCK for skew in wrong.values()) else warning
    return judge(found, remedy)


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _describe_skew(skew: timedelta) -> str:
    seconds = round(abs(skew).total_seconds())
    amount = f"{seconds} s" if seconds < 120 else counted(seconds // 60, "minute")
    return f"{amount} {'ahead of' if skew > timedelta(0) else 'behind'} this machine's"


async def check_disk(parts: Parts) -> Finding:
    """Check the free space of the data folder, of an SQLite file's folder and for temporary files."""
    # The services write no temporary files of their own: without space for them, libraries may fail.
    folders = {"temporary files": Path(tempfile.gettempdir())}
    if parts.settings.data_dir.is_dir():
        folders["the data folder"] = parts.settings.data_dir.absolute()
    file = parts.settings.database_address.path
    if file is not None and Path(file).parent.is_dir():
        folders["the database's folder"] = Path(file).parent.absolute()
    free = {name: shutil.disk_usage(folder).free for name, folder in folders.items()}
    low = {
        name: size
        for name, size in free.items()
        if size < (_FULL_BYTES if name == "temporary files" else _LOW_BYTES)
    }
    if not low:
        return ok(f"At least {min(free.values()) / _GIB:,.1f} GiB are free for {_listed(folders)}.")
    found = "; ".join(f"{size / 1024**2:,.0f} MiB for {name} ({folders[name]})" for name, size in low.items())
    is_full = any(size < _FULL_BYTES for name, size in low.items() if name != "temporary files")
    return (failed if is_full else warning)(
        f"There are only {found} left.",
        "Free space there, or move them: AUTOS_DATA_DIR, AUTOS_DATABASE_URL, TMPDIR.",
    )


async def check_access(parts: Parts) -> Finding:
    """Check that others can reach the API only with a key, and that no key ends soon."""
    settings = parts.settings
    keys = await parts.catalog.clients.list_keys()
    now = datetime.now(UTC)
    usable = [key for key in keys if key.is_valid(now)]
    if settings.needs_catalog_key and not usable:
        return failed(
            f"Other machines can reach the API (AUTOS_API_HOST is {settings.api_host}"
            + (f", AUTOS_PUBLIC_URL {settings.public_url}" if settings.public_url else "")
            + ") and there is no valid API key: `autos api` does not start.",
            "Set AUTOS_API_KEY, make a key with `autos key new`, or set AUTOS_API_HOST=127.0.0.1.",
            Fault.SETTING,
        )
    ending = [key for key in usable if key.expires_soon(now)]
    if ending:
        return warning(
            f"{counted(len(ending), 'API key ends', 'API keys end')} within {EXPIRY_NOTICE.days} days: "
            f"{', '.join(map(_describe_key, ending))}.",
            "Make new ones with `autos key new NAME`, and hand them over.",
        )
    if settings.api_key is not None:
        return ok(f"{counted(len(usable), 'valid API key')} besides AUTOS_API_KEY.")
    if not keys:
        return ok("There are no keys, and only this machine can reach the API.")
    if not usable:
        return warning(
            "No API key is valid any more: the API lets nobody in.",
            "Make one with `autos key new NAME`, or set AUTOS_API_KEY.",
        )
    return ok(f"{counted(len(usable), 'valid API key')}.")


def _describe_key(key: ApiKey) -> str:
    return f"{key.id} of {key.client} at {key.expires_at:%Y-%m-%d %H:%M} UTC"


async def check_secret_key(parts: Parts) -> Finding:
    """Check that AUTOS_SECRET_KEY is a key, and that it opens what is stored."""
    if parts.encryptor is None:
        return warning(
            "AUTOS_SECRET_KEY is not set: tokens handed in with `autos court login`, and clients' webhook secrets, "
            "cannot be stored.",
            "Set it to the URL-safe base64 of 32 random bytes, the same for the API and the workers.",
        )
    if not parts.is_usable(CheckName.SCHEMA):
        return ok("It is set. It was not tried on what is stored.")
    stored = await parts.catalog.court_state.read_credentials()
    return ok("It is set." if stored is None else "It is set, and opens the stored credentials.")
