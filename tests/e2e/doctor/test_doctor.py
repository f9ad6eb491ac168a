"""`autos doctor` as operators run it: where all is well, with a fault, and with a wrong setting."""

from __future__ import annotations

import json

from cli.doctor.findings import CheckName, State
from tests.e2e.doctor.conftest import NOBODY, Deployment, check_fault
from tests.support.cli_commands import run_autos
from tests.support.otlp_collector import running_collector
from tests.support.receiver import Receiver
from tests.support.secret_leaks import find_leaks
from tests.support.simulators import SimulatedCourt


async def test_all_is_well(deployment: Deployment, receiver: Receiver, court: SimulatedCourt) -> None:
    token = await court.create_token()
    with running_collector() as collector:
        findings = await deployment.examine(
            webhook_url=f"{receiver.url}/hooks/a-secret-path",
            otlp_endpoint=collector.url,
            court_base_url=court.origin,
            court_token=token,
        )
    assert {name: finding for name, finding in findings.items() if finding.state is not State.OK} == {}
    assert list(findings) == list(CheckName)
    # One request to the court, and no event.
    assert (await court.get_stats())["requests"] == 1
    assert [event for event in receiver.received if event.path.startswith("/hooks")] == []
    assert "a-secret-path" not in str(findings)
    assert token not in str(findings)


async def test_a_fault_is_named_and_what_depends_on_it_is_skipped(deployment: Deployment) -> None:
    findings = await deployment.examine(database_url=f"postgresql://autos:a-secret-word@{NOBODY}/catalog")
    check_fault(findings, CheckName.DATABASE, f"catalog at {NOBODY}", "AUTOS_DATABASE_URL")
    assert findings[CheckName.COURT].found == "It needs database, which failed."
    assert findings[CheckName.BUCKET_LINK].state is State.OK
    assert "a-secret-word" not in str(findings)


async def test_command(deployment: Deployment) -> None:
    stack = deployment.stack
    done = await run_autos(stack, "doctor", "--json", TEMPORAL_ADDRESS=NOBODY)
    assert (done.exit_code, done.stderr) == (5, "")
    report = json.loads(done.stdout)
    assert report["ok"] is False
    assert [check["name"] for check in report["checks"]] == list(CheckName)
    assert {"name", "state", "found", "remedy", "seconds"} == report["checks"][0].keys()
    assert [check["name"] for check in report["checks"] if check["state"] == "failed"] == ["temporal"]
    assert find_leaks(stack) == []


async def test_wrong_setting(deployment: Deployment) -> None:
    done = await run_autos(deployment.stack, "doctor", AUTOS_LINK_TTL_SECONDS="a-secret-word")
    assert done.exit_code == 2
    first, *others = done.stdout.splitlines()
    assert first.startswith("failed   settings           AUTOS_LINK_TTL_SECONDS")
    assert {line.split()[0] for line in others} == {"skipped"}
    assert "a-secret-word" not in done.stdout + done.stderr
