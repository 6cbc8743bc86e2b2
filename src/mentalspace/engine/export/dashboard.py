"""Grafana dashboards: one for each room's promises, one for the house that keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mentalspace.engine.export.series import any_of, by_provider, increase, selector
from mentalspace.engine.runbook import Measure, Metric, Of, Op, RoomRunbook

_SCHEMA = 38  # Grafana 10's, which later ones read
_WIDTH, _HEIGHT = 8, 8
_SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph of one or more expressions with their legends; `target` draws a line."""

    title: str
    lines: Sequence[tuple[str, str]]
    unit: str = "short"
    target: float | None = None
    bad_above: bool = True
    stacked: bool = False
    about: str = ""


def dashboard_of(room: RoomRunbook) -> dict[str, Any]:
    """What a room sends and how that fares, each metric of its overview against its target."""
    title, name = room.overview.title, room.room
    where = {"integration": name}
    both = "{{provider}}"
    panels = [
        Panel(
            "Open incidents",
            [(f"sum by (severity) ({_one(selector('incidents_open', **where))})", "{{severity}}")],
            about="Incidents that nobody has resolved.",
        ),
        Panel(
            "Alerts by Prometheus",
            [(f'sum by (rule) (ALERTS{{integration="{name}",alertstate="firing"}})', "{{rule}}")],
        ),
        Panel(
            "Rules, as MentalSpace judges",
            [
                (
                    f"sum by (rule, state) ({_one(selector('rule_states', rule=_rules(room)))})",
                    "{{rule}} {{state}}",
                )
            ],
            about="Credentials by state; no_data is a state of its own and never recovery.",
        ),
        Panel(
            "Messages by how they ended, an hour",
            [(_by("status", "deliveries_ended_total", name), "{{status}}")],
            stacked=True,
        ),
        Panel(
            "Requests by outcome and whose fault, an hour",
            [(_by("outcome, fault", "attempts_total", name), "{{outcome}} {{fault}}")],
            stacked=True,
        ),
        Panel(
            "Cases met, an hour",
            [(_by("case", "attempts_total", name, case="~.+[.].+"), "{{case}}")],
            stacked=True,
        ),
        Panel("Could go now", [(by_provider(selector("queue_depth", **where)), both)]),
        Panel(
            "The oldest of them has waited",
            [(_highest("queue_oldest_seconds", name), both)],
            unit="s",
        ),
        Panel(
            "Not ended, by status",
            [(f"sum by (status) ({_one(selector('deliveries_open', **where))})", "{{status}}")],
        ),
        Panel(
            "Breakers not closed",
            [(by_provider(selector("breakers", **where, state="~open|half_open")), both)],
        ),
        Panel(
            "Lanes that stand still, by case",
            [(f"sum by (case) ({_one(selector('lanes_paused', **where))})", "{{case}}")],
        ),
        Panel("Failed in a row, people", [(_highest("failing_streak", name), both)]),
        Panel(
            "A request took",
            [
                (_quantile(q, "attempt_duration_seconds", name), f"{both} p{q * 100:.0f}")
                for q in (0.5, 0.95)
            ],
            unit="s",
        ),
        Panel(
            "Webhooks that wait or are held",
            [(f"sum by (state) ({_one(selector('webhooks_unapplied', **where))})", "{{state}}")],
        ),
        *(panel for metric in room.overview.metrics for panel in _metric(room, metric)),
    ]
    return _dashboard(f"mentalspace-{name}", f"MentalSpace: {title}", panels)


def house_dashboard() -> dict[str, Any]:
    """The processes, the database, the pages and the doors."""
    loops, http = selector("loop_age_seconds"), "mentalspace_http_requests_total"
    seconds = "mentalspace_http_request_seconds_bucket"
    opened = selector("incidents_opened_total")
    panels = [
        Panel("Processes whose heart beats",
              [(f"max by (kind) ({selector('processes')})", "{{kind}}")]),
        Panel("Since a loop's last good turn",
              [(f"min by (loop) ({loops})", "{{loop}}")], unit="s"),
        Panel("A loop's last turn took",
              [(f"max by (loop) ({selector('loop_seconds')})", "{{loop}}")], unit="s"),
        Panel("Incidents opened, a day",
              [(f"max by (integration, severity) (increase({opened}[1d]))",
                "{{integration}} {{severity}}")]),
        Panel("Pages, a day",
              [(f"max by (target, state) (increase({selector('pages_total')}[1d]))",
                "{{target}} {{state}}")]),
        Panel("Wake-ups in the queue", [(f"max({selector('wakeups')})", "wake-ups")]),
        Panel("Requests a second, by status", [(f"sum by (http) (rate({http}[5m]))", "{{http}}")],
              stacked=True),
        Panel("Answered within (95 of 100)",
              [(f"histogram_quantile(0.95, sum by (le) (rate({seconds}[5m])))", "p95")], unit="s"),
        Panel("The API's memory",
              [("process_resident_memory_bytes", "{{instance}}")], unit="bytes"),
    ]  # fmt: skip
    return _dashboard("mentalspace-house", "MentalSpace: the house", panels)


def to_json(dashboards: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(dashboards, indent=2, ensure_ascii=False) + "\n"


def expressions_of(dashboard: Mapping[str, Any]) -> list[str]:
    """Every expression of a dashboard, with Grafana's own variables filled in."""
    return [
        target["expr"].replace("$__range", "1h")
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]


# A room's metrics ---------------------------------------------------------------------------------


def _metric(room: RoomRunbook, metric: Metric) -> list[Panel]:
    if metric.measure is Measure.SLOW_RATE:
        lines = _beyond(room.room, "send_seconds", room.overview.target(Measure.SEND_TIME))
    else:
        lines = _lines(room.room, metric)
    if not lines:
        return []
    ratio = metric.unit == "ratio"
    sign = "above" if metric.op is Op.ABOVE else "below"
    return [
        Panel(
            f"{metric.title}, a day",
            lines,
            unit="percentunit" if ratio else "s",
            target=metric.target,
            bad_above=metric.op is Op.BELOW,
            about=f"Promised: {sign} {metric.target:.12g}. Few messages make it jump; the rules"
            " guard against that.",
        )
    ]


def _lines(room: str, metric: Metric) -> list[tuple[str, str]]:
    day_s, both = 86_400.0, "{{provider}}"
    ended = "deliveries_ended_total"
    good = increase(ended, day_s, integration=room, status="delivered")
    match metric.measure:
        case Measure.DELIVERY_RATE:
            bad = increase(
                ended, day_s, integration=room, status="~refused|failed|expired", fault="other"
            )
            return [(f"{good} / ({good} + {bad})", both)]
        case Measure.FAILURE_RATE:
            bad = increase(ended, day_s, integration=room, status="~bounced|refused|failed|expired")
            return [(f"{bad} / ({good} + {bad})", both)]
        case Measure.EVENT_RATE:
            told = increase(
                "provider_events_total", day_s, integration=room, event=any_of(metric.events)
            )
            sent = increase("deliveries_accepted_total", day_s, integration=room)
            return [(f"{told} / {good if metric.of is Of.DELIVERED else sent}", both)]
        case Measure.AVAILABILITY:
            theirs = increase("attempts_total", day_s, integration=room, fault="theirs")
            every = increase("attempts_total", day_s, integration=room)
            return [(f"1 - {theirs} / {every}", both)]
        case Measure.LATE_RATE:
            return _beyond(room, "delivery_seconds", metric.late_after_s)
        case Measure.SEND_TIME:
            return _times(room, "send_seconds")
        case Measure.DELIVERY_TIME:
            return _times(room, "delivery_seconds")
        case Measure.OPT_OUT_RATE:
            name = f"~{room}[.].*opt_out.*"
            bad, n = selector("rule_bad", rule=name), selector("rule_n", rule=name)
            return [(f"max by (rule) ({bad}) / max by (rule) ({n})", "as MentalSpace counts")]
        case _:
            return []


def _beyond(room: str, name: str, longest_s: float) -> list[tuple[str, str]]:
    count = increase(f"{name}_count", 86_400.0, integration=room)
    within = increase(f"{name}_bucket", 86_400.0, integration=room, le=f"{longest_s:g}")
    return [(f"1 - {within} / {count}", "{{provider}}")]


def _times(room: str, name: str) -> list[tuple[str, str]]:
    total = increase(f"{name}_sum", 86_400.0, integration=room)
    count = increase(f"{name}_count", 86_400.0, integration=room)
    return [
        (f"{total} / {count}", "{{provider}} average"),
        (_quantile(0.5, name, room), "{{provider}} p50"),
        (_quantile(0.95, name, room), "{{provider}} p95"),
    ]


def _by(labels: str, name: str, room: str, **more: str) -> str:
    chosen = selector(name, integration=room, **more)
    return f"sum by ({labels}) (max without (instance, pod) (increase({chosen}[1h])))"


def _one(series: str) -> str:
    return f"max without (instance, pod) ({series})"


def _highest(name: str, room: str) -> str:
    return f"max by (integration, provider) ({selector(name, integration=room)})"


def _quantile(q: float, name: str, room: str) -> str:
    bucket = selector(f"{name}_bucket", integration=room)
    each = f"max without (instance, pod) (increase({bucket}[1d]))"
    return f"histogram_quantile({q:g}, sum by (provider, le) ({each}))"


def _rules(room: RoomRunbook) -> str:
    return f"~{room.room}[.].+"


# What Grafana reads -------------------------------------------------------------------------------


def _dashboard(uid: str, title: str, panels: Sequence[Panel]) -> dict[str, Any]:
    return {
        "uid": uid,
        "title": title,
        "tags": ["mentalspace"],
        "editable": True,
        "schemaVersion": _SCHEMA,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [
                {
                    "name": "source",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                    "current": {},
                }
            ]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": {
            "x": number % 3 * _WIDTH,
            "y": number // 3 * _HEIGHT,
            "w": _WIDTH,
            "h": _HEIGHT,
        },
        "targets": [
            {"refId": chr(ord("A") + place), "expr": expr, "legendFormat": legend}
            for place, (expr, legend) in enumerate(panel.lines)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": {"legend": {"displayMode": "list"}, "tooltip": {"mode": "multi"}},
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    custom: dict[str, Any] = {"fillOpacity": 20 if panel.stacked else 0}
    if panel.stacked:
        custom["stacking"] = {"mode": "normal"}
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0, "custom": custom}
    if panel.target is not None:
        custom["thresholdsStyle"] = {"mode": "line"}
        first, then = ("green", "red") if panel.bad_above else ("red", "green")
        steps = [{"color": first, "value": None}, {"color": then, "value": panel.target}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    return defaults
