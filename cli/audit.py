"""`autos audit`: compares the catalog with the bucket, and repairs. Works on both, not through the API."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from autos_client_cli.errors import ExitCode
from autos_client_cli.printing import printable
from domain.audit import FindingKind, describe_bulk_damage, sample_share
from domain.audit_messages import (
    AuditCounts,
    AuditCursor,
    AuditPart,
    AuditRecord,
    Finding,
    Repair,
    RepairState,
)
from domain.errors import DependencyUnavailable, StorageFailure
from domain.process_number import ProcessNumber
from domain.serializers import Json
from domain.text import counted

if TYPE_CHECKING:
    from activities.store_audit import StoreAuditor
    from adapters.database.audits import AuditRepository

# Findings that are kept for the repair: some megabytes. The next repair finds the others.
_MAX_FINDINGS = 10_000
_PROGRESS_SECONDS = 5.0
_NUMBERS_SHOWN = 20
_KIND_WIDTH = max(map(len, FindingKind))


def audit(
    numbers: Annotated[
        list[str] | None, typer.Argument(metavar="NUMBER…", help="Only these processes.", show_default="all")
    ] = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Make missing and damaged documents pending again, delete objects that the catalog does not know "
            "and that are older than a day, and abort leftover uploads.",
        ),
    ] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="Read every object. Default: a sample, AUTOS_AUDIT_SAMPLE_BYTES at most."),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Repair also when so much is wrong that the bucket may be another one."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each finding, and a summary at the end.")
    ] = False,
) -> None:
    """Compare the catalog with the bucket. Exit code 6 if anything missing, damaged or left over remains."""
    from adapters.logs import configure_logging
    from settings import load_settings

    if force and not repair:
        raise typer.BadParameter("--force is for --repair.")
    settings = load_settings()
    configure_logging(settings.log_format, "debug" if settings.log_level == "debug" else "error")
    processes = [ProcessNumber.parse(number).canonical for number in numbers or ()]

    async def run() -> ExitCode:
        from activities.store_audit import StoreAuditor
        from adapters.database import Catalog, Database
        from adapters.storage.bucket_listing import BucketListing

        async with AsyncExitStack() as stack:
            catalog = Catalog(Database(settings.effective_database_url, pool_size=4))
            stack.push_async_callback(catalog.close)
            await catalog.check()
            bucket = await BucketListing.open(stack, settings.storage_address)
            auditor = StoreAuditor(catalog.audits, bucket)
            command = _Audit(auditor, catalog.audits, repair=repair, force=force, as_json=as_json)
            await command.scan(processes, sample_bytes=None if full else settings.audit_sample_bytes)
            return await command.finish()

    try:
        code = asyncio.run(run())
    except StorageFailure as failure:
        # What was found until then says nothing: the list is not whole.
        raise DependencyUnavailable("storage", f"The audit ended early. {failure}") from None
    raise typer.Exit(code)


class _Audit:
    """One audit by command: its findings and what was done about them."""

    def __init__(
        self, auditor: StoreAuditor, audits: AuditRepository, *, repair: bool, force: bool, as_json: bool
    ) -> None:
        self._auditor = auditor
        self._audits = audits
        self._repair = repair
        self._force = force
        self._as_json = as_json
        self._id = str(uuid4())
        self._started_at = datetime.now(UTC)
        self._counts = AuditCounts()
        self._findings: list[Finding] = []
        self._whole = True
        self._shown_at = time.monotonic()

    async def scan(self, processes: Sequence[str], *, sample_bytes: int | None) -> None:
        """Compare these processes, or all if there are none. ``sample_bytes`` None reads every object."""
        self._whole = not processes
        for process_number in processes or (None,):
            share = 1.0
            if sample_bytes is not None:
                share = sample_share(sample_bytes, await self._audits.stored_bytes(process_number))
            cursor: AuditCursor | None = AuditCursor()
            while cursor is not None:
                left = None if sample_bytes is None else max(sample_bytes - self._counts.bytes_read, 0)
                # Without a repair, findings are printed at once and not kept.
                wanted = _MAX_FINDINGS - len(self._findings)
                part = await self._auditor.scan(AuditPart(cursor, self._id, share, left, wanted, process_number))
                cursor = part.following
                self._add(part.counts, part.findings)
            wanted = _MAX_FINDINGS - len(self._findings)
            uploads = await self._auditor.find_uploads(process_number, findings_left=wanted)
            self._add(uploads.counts, uploads.findings)

    async def finish(self) -> ExitCode:
        """Repair, print the summary, and return the exit code."""
        remaining = Counter(self._counts.found)
        bulk = describe_bulk_damage(
            self._counts.found, contents=self._counts.contents, objects=self._counts.objects, whole=self._whole
        )
        refused = self._repair and bulk is not None and not self._force
        reopened: set[str] = set()
        if self._repair:
            for finding in self._findings:
                if refused:
                    self._print(Repair(finding, RepairState.KEPT))
                    continue
                [done] = await self._auditor.repair([finding])
                self._print(done)
                if done.state is not RepairState.KEPT:
                    remaining[finding.kind] -= 1
                    if finding.process_number and _was_reopened(done):
                        reopened.add(finding.process_number)
        remaining = +remaining
        if self._whole and (bulk is None or self._force):
            # What may be another bucket by mistake says nothing about this deployment's own.
            await self._audits.record(AuditRecord(self._id, self._started_at, self._counts, remaining))
        self._summarize(remaining, bulk=bulk, refused=refused, reopened=reopened)
        if refused:
            return ExitCode.FATAL
        return ExitCode.PARTIAL if remaining else ExitCode.OK

    def _add(self, counts: AuditCounts, findings: Sequence[Finding]) -> None:
        self._counts = self._counts.plus(counts)
        if self._repair:
            self._findings += findings
        else:
            for finding in findings:
                self._print(Repair(finding, RepairState.KEPT))
        if time.monotonic() - self._shown_at > _PROGRESS_SECONDS:
            self._shown_at = time.monotonic()
            typer.echo(self._describe_counts(), err=True)

    def _print(self, repair: Repair) -> None:
        finding = repair.finding
        if self._as_json:
            line: Json = {
                "kind": finding.kind,
                "key": finding.key,
                "process_number": finding.process_number,
                "document_id": finding.document_id,
                "detail": finding.detail or None,
                "state": repair.state if self._repair else "found",
                "note": repair.note or None,
            }
            typer.echo(json.dumps(line, ensure_ascii=False))
            return
        state = f"{repair.state:<8}  " if self._repair else ""
        text = f"{finding.kind:<{_KIND_WIDTH}}  {state}{finding.key}"
        text += f"  {finding.detail}" if finding.detail else ""
        typer.echo(printable(f"{text} -> {repair.note}" if repair.note else text))

    def _describe_counts(self) -> str:
        counts = self._counts
        return (
            f"{counted(counts.contents, 'stored content')} and {counted(counts.objects, 'object')} compared, "
            f"{counts.objects_read:,} of them read ({counts.bytes_read / 1024**2:,.0f} MiB)."
        )

    def _summarize(
        self, remaining: Counter[FindingKind], *, bulk: str | None, refused: bool, reopened: set[str]
    ) -> None:
        counts = self._counts
        if self._as_json:
            summary: Json = {
                "ok": not remaining,
                "contents": counts.contents,
                "objects": counts.objects,
                "objects_read": counts.objects_read,
                "bytes_read": counts.bytes_read,
                "found": {kind.value: amount for kind, amount in counts.found.items() if amount},
                "remaining": {kind.value: amount for kind, amount in remaining.items()},
                "refusal": bulk if refused else None,
            }
            typer.echo(json.dumps({"summary": summary}, ensure_ascii=False))
        else:
            typer.echo(self._describe_counts(), err=True)
        if bulk is not None:
            typer.echo(f"autos: {'Nothing was repaired. ' if refused else ''}{bulk}", err=True)
        if refused:
            typer.echo("Check AUTOS_S3_BUCKET and AUTOS_DATABASE_URL. If both are right, add --force.", err=True)
        if reopened:
            shown = " ".join(sorted(reopened)[:_NUMBERS_SHOWN])
            more = f" and {len(reopened) - _NUMBERS_SHOWN} more" if len(reopened) > _NUMBERS_SHOWN else ""
            typer.echo(f"Pending again; the next request downloads them: autos get {shown}{more}", err=True)
        if remaining:
            text = ", ".join(f"{amount} {kind}" for kind, amount in sorted(remaining.items()))
            typer.echo(f"Remaining: {text}.", err=True)
        else:
            typer.echo("Repaired." if counts.found and any(counts.found.values()) else "All is well.", err=True)


def _was_reopened(repair: Repair) -> bool:
    damage = (FindingKind.MISSING, FindingKind.WRONG_SIZE, FindingKind.WRONG_HASH)
    return repair.state is RepairState.REPAIRED and repair.finding.kind in damage
