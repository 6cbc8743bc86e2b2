"""Unit tests of the exported rules, for promtool: each fires when it must and not before."""

from __future__ import annotations

from collections.abc import Mapping

from mentalspace.engine.export.house import HOUSE_ALERTS
from mentalspace.engine.export.prometheus import (
    alert_labels,
    alert_name,
    annotations_of,
    exported,
    house_annotations,
    house_labels,
)
from mentalspace.engine.export.series import STEP_MIN, TEST_AT_MIN, Series
from mentalspace.engine.export.watch import watch
from mentalspace.engine.export.yaml import REMARK, Value, to_yaml
from mentalspace.engine.runbook import Runbooks

_HEAD = """\
Written by `mentalspace runbook export --prometheus-tests` from the runbooks.
Run them with: promtool test rules FILE. Each rule has series under which it must fire, and series
under which it must not: one below its line, or of so few that chance explains them."""

# Seldom, since promtool evaluates every rule in every test; `TEST_AT_MIN` is a multiple of it.
_EVALUATED_MIN = 10


def unit_tests_of(
    runbooks: Runbooks, site_url: str, rule_file: str = "mentalspace.rules.yml"
) -> str:
    """A file of unit tests of the rules in `rule_file` beside it."""
    tests: list[Value] = []
    for room in runbooks.rooms:
        for rule in exported(room):
            seen = watch(room, rule)
            labels = {**seen.labels, **alert_labels(room, rule)}
            told = annotations_of(room, rule, site_url)
            tests += _pair(rule.id, seen.ill, seen.well, labels, told, seen.step_min)
    for alert in HOUSE_ALERTS:
        told = house_annotations(alert, site_url)
        tests += _pair(alert.id, alert.ill, alert.well, house_labels(alert), told)
    return to_yaml(
        {
            REMARK: _HEAD,
            "rule_files": [rule_file],
            "evaluation_interval": f"{_EVALUATED_MIN}m",
            "tests": tests,
        }
    )


def _pair(
    rule_id: str,
    ill: Series,
    well: Series,
    labels: Mapping[str, str],
    told: Mapping[str, str],
    step_min: int = STEP_MIN,
) -> list[Value]:
    fires: Value = {"exp_labels": dict(labels), "exp_annotations": dict(told)}
    return [
        _test(f"{rule_id} fires", rule_id, ill, [fires], step_min),
        _test(f"{rule_id} is quiet", rule_id, well, [], step_min),
    ]


def _test(name: str, rule_id: str, series: Series, fires: list[Value], step_min: int) -> Value:
    return {
        "name": name,
        "interval": f"{step_min}m",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "alert_rule_test": [
            {"eval_time": f"{TEST_AT_MIN}m", "alertname": alert_name(rule_id), "exp_alerts": fires}
        ],
    }
