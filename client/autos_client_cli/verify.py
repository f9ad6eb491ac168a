"""`verify`: check a bundle on this machine, without the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autos_client_cli.bundle_files import NotABundle, Report, verify_bundle
from autos_client_cli.command_help import examples
from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.printing import print_json, print_line
from autos_client_cli.texts import t
from autos_client_cli.words import number_text

VERIFY_HELP = t(
    "Check that a bundle is as Autos built it, on this machine: nothing is sent.\n\n"
    "A ZIP: each document has the bytes of its SHA-256, none is missing, none was added. A PDF: no byte was "
    "changed; the originals are not inside, only their SHA-256. Neither is signed: whoever rewrites the whole file "
    "can rewrite the sums too, so compare the SHA-256 of a document with the service's."
)
VERIFY_EXAMPLES = examples("verify autos.zip", "verify autos.pdf --json")

_FINDINGS = {
    "changed": t("{name}: changed or damaged"),
    "missing": t("{name}: missing"),
    "extra": t("{name}: does not belong to the bundle"),
    "disagrees": t("{name}: not what the manifest says"),
}


def verify(
    file: Annotated[Path, typer.Argument(metavar=t("FILE"), help=t("A bundle: a PDF or a ZIP."))],
    as_json: Annotated[bool, typer.Option("--json", help=t("Print the result as one JSON object."))] = False,
) -> None:
    """Check that a bundle is as Autos built it."""
    try:
        report = verify_bundle(file)
    except OSError as error:
        raise CommandError(
            t("{file}: cannot be read ({reason}).", file=file, reason=error.strerror or type(error).__name__),
            ExitCode.USAGE,
        ) from None
    except NotABundle:
        raise CommandError(
            t("{file}: no bundle of Autos, or too damaged to be checked.", file=file), ExitCode.FATAL
        ) from None
    if as_json:
        print_json(_as_json(file, report))
    else:
        _print_report(file, report)
    if report.findings:
        raise typer.Exit(ExitCode.FATAL)


def _as_json(file: Path, report: Report) -> dict[str, object]:
    return {
        "file": str(file),
        "format": report.kind,
        "intact": not report.findings,
        "process_number": report.manifest.get("process_number"),
        "listed_at": report.manifest.get("listed_at"),
        "documents": report.documents,
        "findings": [{"code": finding.code, "name": finding.name} for finding in report.findings],
        "omitted": report.omitted,
    }


def _print_report(file: Path, report: Report) -> None:
    if report.findings:
        print_line(t("{file}: not as Autos built it", file=file))
        for finding in report.findings:
            print_line("  " + _FINDINGS[finding.code].format(name=finding.name))
    else:
        print_line(t("{file}: as Autos built it", file=file))
    print_line(
        "  "
        + t(
            "process {number}, {documents} documents inside, {omitted} not inside",
            number=report.manifest.get("process_number"),
            documents=number_text(report.documents),
            omitted=number_text(len(report.omitted)),
        )
    )
    for omission in report.omitted:
        name = omission.get("name") or t("a document without a name")
        print_line(f"  {omission.get('position')} · {name}: {omission.get('text') or omission['reason']}")
