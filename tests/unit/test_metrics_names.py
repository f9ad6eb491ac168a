"""Every series in the rules, the dashboard and the documentation exists, and every series of ours is documented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from activities.metrics import SERIES
from api.services.metrics import Metrics
from domain.alerts import AlertKind
from domain.completeness import Phase
from tests.support.paths import ROOT
from tests.support.prometheus import check_rules, try_rules
from tests.unit.test_docs import read_anchors

PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "autos.json"
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")

_NAME = re.compile(r"\b(?:autos|temporal)_[a-z_]+\b(?!-)")
_HISTOGRAM_SUFFIX = re.compile(r"_(bucket|count|sum)$")
# Of prometheus_client's collector, as the documentation names them together.
_PROCESS_SERIES = "autos_api_process_"


def list_own_series() -> set[str]:
    """Return the names of all series that the API and the workers serve, without those of their libraries."""
    families = Metrics().registry.collect()
    api = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    return {name for name in api if not name.startswith(_PROCESS_SERIES)} | set(SERIES)


def list_documented_series() -> set[str]:
    """Return the names in the first column of the documentation's tables."""
    cells = re.findall(r"^\| (`[^|]+) \|", PAGE, re.MULTILINE)
    return {name for cell in cells for name in _NAME.findall(re.sub(r"\{[^}]*\}", "", cell))}


def list_rules() -> list[dict[str, Any]]:
    """Return the alerts for Prometheus."""
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def list_panels() -> list[dict[str, Any]]:
    """Return the dashboard's panels, without the rows' titles."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [panel for panel in panels if panel["type"] != "row"]


def list_expressions() -> Iterator[str]:
    """Yield every expression of the rules and the dashboard."""
    yield from (rule["expr"] for rule in list_rules())
    yield from (target["expr"] for panel in list_panels() for target in panel["targets"])


def test_every_series_is_documented_and_every_documented_series_exists() -> None:
    documented = list_documented_series() - {_PROCESS_SERIES}
    assert {name for name in documented if name.startswith("autos_")} == list_own_series()


def test_expressions_use_documented_series_only() -> None:
    used = {_HISTOGRAM_SUFFIX.sub("", name) for text in list_expressions() for name in _NAME.findall(text)}
    documented = list_documented_series()
    assert {name for name in used if not name.startswith(_PROCESS_SERIES)} <= documented
    # What only the SDK has is documented because it is used.
    assert {name for name in documented if name.startswith("temporal_")} <= used


def test_every_alert_kind_has_a_rule_with_a_severity_and_a_summary() -> None:
    rules = list_rules()
    kinds = [kind for rule in rules for kind in re.findall(r'kind="(\w+)"', rule["expr"])]
    assert sorted(kinds) == sorted(AlertKind)
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary", "runbook"}


def test_runbook_links_lead_to_a_heading() -> None:
    for rule in list_rules():
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert anchor in read_anchors((ROOT / page).read_text(encoding="utf-8")), rule["alert"]
        if kinds := re.findall(r'kind="(\w+)"', rule["expr"]):
            assert [anchor] == kinds


def test_panels_do_not_overlap_and_have_titles() -> None:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["title"] for panel in panels}) == len(panels)
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_documented_phases_are_those_of_runs() -> None:
    assert set(re.findall(r"`(waiting_for_\w+)`", PAGE)) == {
        phase for phase in Phase if phase.startswith("waiting")
    }


def test_prometheus_accepts_the_rules() -> None:
    check_rules(PROMETHEUS / "rules.yml")


def test_each_alert_is_raised_and_cleared_by_its_series() -> None:
    tried = (PROMETHEUS / "rules_test.yml").read_text(encoding="utf-8")
    assert [rule["alert"] for rule in list_rules() if f'alertname="{rule["alert"]}"' not in tried] == []
    try_rules(PROMETHEUS / "rules_test.yml")
