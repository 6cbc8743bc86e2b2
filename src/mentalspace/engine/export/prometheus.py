"""Prometheus's recording and alerting rules, out of the runbooks."""

from __future__ import annotations

from mentalspace.engine.export.house import HOUSE_ALERTS, HouseAlert
from mentalspace.engine.export.series import Watch, span
from mentalspace.engine.export.watch import watch
from mentalspace.engine.export.yaml import REMARK, Value, to_yaml
from mentalspace.engine.runbook import AlertKind, AlertRule, AlertState, RoomRunbook, Runbooks

_HEAD = """\
Written by `mentalspace runbook export --prometheus` from the runbooks; change those.
The ledger in PostgreSQL stays the truth: increase() extrapolates between scrapes. A rate fires
beyond its line only if so many bad ones are less likely than one in a thousand while all is well:
`mentalspace:k_min` is the fewest that are, exactly up to 16, by the normal distribution above."""


def rules_of(runbooks: Runbooks, site_url: str) -> str:
    """A rule file; the same runbooks always give the same text."""
    groups: list[Value] = [
        {
            "name": f"mentalspace.{room.room}",
            "rules": [
                line
                for rule in exported(room)
                for line in _rules(room, rule, watch(room, rule), site_url)
            ],
        }
        for room in runbooks.rooms
    ]
    groups.append(
        {"name": "mentalspace.house", "rules": [_house_rule(a, site_url) for a in HOUSE_ALERTS]}
    )
    return to_yaml({REMARK: _HEAD, "groups": groups})


def exported(room: RoomRunbook) -> list[AlertRule]:
    """The rules that are evaluated here, too. A declared one is written down only."""
    return [rule for rule in room.overview.alerts if rule.state is AlertState.LIVE]


def alert_name(rule_id: str) -> str:
    """`email.bounce_rate_high` as `EmailBounceRateHigh`."""
    return "".join(word.title() for word in rule_id.replace(".", "_").split("_"))


def alert_labels(room: RoomRunbook, rule: AlertRule) -> dict[str, str]:
    return {"rule": rule.id, "integration": room.room, "severity": rule.severity.value}


def annotations_of(room: RoomRunbook, rule: AlertRule, site_url: str) -> dict[str, str]:
    return {
        "summary": f"{room.overview.title}: {rule.title}",
        "description": f"First: {rule.action}.",
        "runbook_url": _runbook_url(room, rule, site_url),
    }


def house_labels(alert: HouseAlert) -> dict[str, str]:
    return {"rule": alert.id, "integration": "house", "severity": alert.severity.value}


def house_annotations(alert: HouseAlert, site_url: str) -> dict[str, str]:
    return {
        "summary": alert.title,
        "description": f"First: {alert.action}.",
        "runbook_url": f"{site_url}/runbook",
    }


def _rules(room: RoomRunbook, rule: AlertRule, seen: Watch, site_url: str) -> list[Value]:
    records: list[Value] = [
        {"record": f"mentalspace:{name}", "expr": expression, "labels": {"rule": rule.id}}
        for name, expression in seen.records.items()
    ]
    alert: dict[str, Value] = {
        REMARK: f"{rule.id}. {seen.remark}",
        "alert": alert_name(rule.id),
        "expr": seen.alert,
    }
    if seen.after_s:
        alert["for"] = span(seen.after_s)
    if rule.kind in (AlertKind.RATE, AlertKind.BURN):
        alert["keep_firing_for"] = span(rule.hold_s)
    alert |= {
        "labels": alert_labels(room, rule),
        "annotations": annotations_of(room, rule, site_url),
    }
    return [*records, alert]


def _house_rule(alert: HouseAlert, site_url: str) -> Value:
    return {
        "alert": alert_name(alert.id),
        "expr": alert.expression,
        "for": alert.after,
        "labels": house_labels(alert),
        "annotations": house_annotations(alert, site_url),
    }


def _runbook_url(room: RoomRunbook, rule: AlertRule, site_url: str) -> str:
    """The page to read then: the issue's, or the case's if it is about one."""
    if rule.issue:
        return f"{site_url}/runbook/issues/{rule.issue}"
    if rule.cases:
        return f"{site_url}/runbook/{rule.cases[0]}"
    return f"{site_url}/runbook#{room.room}"
