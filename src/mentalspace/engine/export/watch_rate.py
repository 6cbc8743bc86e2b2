"""What Prometheus sees of a rule on a share: counters, and the guard against chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mentalspace.engine.export.guard import expression, k_min
from mentalspace.engine.export.series import (
    Series,
    Watch,
    any_of,
    increase,
    provider_of,
    selector,
)
from mentalspace.engine.runbook import AlertRule, Measure, Metric, Of, Op, RoomRunbook

_OURS = (
    "There it is judged for each credential and by people; here for each provider and all"
    " practices\nas one, so that it fires later where many practices hide a few."
)


@dataclass(frozen=True, slots=True)
class _Counted:
    """The bad ones and all of a share, as expressions; and which series grow by how much for so
    many bad of so many."""

    bad: str
    n: str
    grow: Callable[[int, int], Mapping[str, int]]
    remark: str = _OURS


def watch_rate(room: RoomRunbook, rule: AlertRule) -> Watch:
    metric = room.overview.metric(rule.metric)
    assert metric is not None and rule.threshold is not None, f"{rule.id}: `runbook check` says so"
    provider = provider_of(room)
    if metric.measure is Measure.SLOW_RATE:
        longest_s = room.overview.target(Measure.SEND_TIME)
        counted = _beyond("send_seconds", longest_s, room.room, provider, rule.window_s)
    elif metric.measure in _COUNTED:
        counted = _COUNTED[metric.measure](room.room, provider, rule.window_s, metric)
    else:
        return _people(rule, metric)
    at = {name: f'mentalspace:{name}{{rule="{rule.id}"}}' for name in ("bad", "n", "k_min")}
    healthy, line = healthy_of(metric), line_of(rule, metric)
    return Watch(
        records={
            "bad": f"round({counted.bad})",
            "n": f"round({counted.n})",
            "k_min": expression(at["n"], healthy),
        },
        alert=f"{at['bad']} / {at['n']} > {line:.12g}\nand {at['bad']} >= {at['k_min']}",
        ill=_grown(counted, *_ill_numbers(healthy, line)),
        well=_grown(counted, *_well_numbers(healthy, line)),
        remark=f"Beyond {line:.12g}, and beyond chance if {healthy:.12g} are usual.\n"
        f"{counted.remark}",
        labels={"provider": provider},
    )


def healthy_of(metric: Metric) -> float:
    """The share that is bad while all is well."""
    return 1.0 - metric.target if metric.op is Op.ABOVE else metric.target


def line_of(rule: AlertRule, metric: Metric) -> float:
    """The share of bad ones beyond which the rule fires."""
    assert rule.threshold is not None
    return 1.0 - rule.threshold if metric.op is Op.ABOVE else rule.threshold


def _people(rule: AlertRule, metric: Metric) -> Watch:
    """By people, whom no counter can count twice or once: our evaluator's count, judged here."""
    bad, n = selector("rule_bad", rule=rule.id), selector("rule_n", rule=rule.id)
    at = {name: f'mentalspace:{name}{{rule="{rule.id}"}}' for name in ("bad", "n", "k_min")}
    healthy, line = healthy_of(metric), line_of(rule, metric)
    ill, well = _ill_numbers(healthy, line), _well_numbers(healthy, line)
    return Watch(
        records={
            "bad": f"max by (rule) ({bad})",
            "n": f"max by (rule) ({n})",
            "k_min": expression(at["n"], healthy),
        },
        alert=f"{at['bad']} / {at['n']} > {line:.12g}\nand {at['bad']} >= {at['k_min']}",
        ill={bad: f"0x2 {ill[0]}x6", n: f"0x2 {ill[1]}x6"},
        well={bad: f"{well[0]}x9", n: f"{well[1]}x9"},
        remark="Of people, as our own evaluator counted them last: no counter knows who is who.",
    )


def _ill_numbers(healthy: float, line: float) -> tuple[int, int]:
    """So many bad of so many that it must fire, whatever rounding does to either."""
    n = 1000
    while 2 * k_min(n, healthy) > n // 2 or n * line < 1:
        n *= 4
    return max(2 * k_min(n, healthy), int(4 * n * line)), n


def _well_numbers(healthy: float, line: float) -> tuple[int, int]:
    """A share beyond the line that chance explains: the guard alone keeps it quiet."""
    n = next(n for n in range(2, 1000) if k_min(n, healthy) > 1 and 1 / n > line)
    return 1, n


def _grown(counted: _Counted, bad: int, n: int) -> Series:
    """Counters that stood still, then grew by so many."""
    return {name: f"0x2 {value}x6" for name, value in counted.grow(bad, n).items()}


def _of_ended(room: str, provider: str, window_s: float, **bad_labels: str) -> _Counted:
    name, where = "deliveries_ended_total", {"integration": room, "provider": provider}
    bad = increase(name, window_s, integration=room, **bad_labels)
    good = increase(name, window_s, integration=room, status="delivered")
    return _Counted(
        bad,
        f"{bad}\n+ {good}",
        lambda bad, n: {
            selector(name, **where, status="failed", fault="other"): bad,
            selector(name, **where, status="delivered", fault="none"): n - bad,
        },
    )


def _delivery_rate(room: str, provider: str, window_s: float, _metric: Metric) -> _Counted:
    return _of_ended(room, provider, window_s, status="~refused|failed|expired", fault="other")


def _failure_rate(room: str, provider: str, window_s: float, _metric: Metric) -> _Counted:
    return _of_ended(room, provider, window_s, status="~bounced|refused|failed|expired")


def _event_rate(room: str, provider: str, window_s: float, metric: Metric) -> _Counted:
    where = {"integration": room, "provider": provider}
    if metric.of is Of.DELIVERED:
        n = increase("deliveries_ended_total", window_s, integration=room, status="delivered")
        whole = selector("deliveries_ended_total", **where, status="delivered", fault="none")
    else:
        n = increase("deliveries_accepted_total", window_s, integration=room)
        whole = selector("deliveries_accepted_total", **where)
    event = selector("provider_events_total", **where, event=metric.events[0])
    return _Counted(
        increase("provider_events_total", window_s, integration=room, event=any_of(metric.events)),
        n,
        lambda bad, n: {event: bad, whole: n},
        remark=f"{_OURS}\nAn event counts in the window in which it came, not in its message's.",
    )


def _availability(room: str, provider: str, window_s: float, _metric: Metric) -> _Counted:
    where = {"integration": room, "provider": provider}
    failed = selector("attempts_total", **where, outcome="failed", fault="theirs", case="any")
    good = selector("attempts_total", **where, outcome="succeeded", fault="none", case="none")
    return _Counted(
        increase("attempts_total", window_s, integration=room, fault="theirs"),
        increase("attempts_total", window_s, integration=room),
        lambda bad, n: {failed: bad, good: n - bad},
    )


def _late_rate(room: str, provider: str, window_s: float, metric: Metric) -> _Counted:
    return _beyond("delivery_seconds", metric.late_after_s, room, provider, window_s)


def _beyond(name: str, longest_s: float, room: str, provider: str, window_s: float) -> _Counted:
    """What took longer than that, of a histogram whose bounds have it."""
    where = {"integration": room, "provider": provider}
    bound = f"{longest_s:g}"
    n = increase(f"{name}_count", window_s, integration=room)
    in_time = increase(f"{name}_bucket", window_s, integration=room, le=bound)
    count = selector(f"{name}_count", **where)
    bucket = selector(f"{name}_bucket", **where, le=bound)
    return _Counted(f"{n}\n- {in_time}", n, lambda bad, n: {count: n, bucket: n - bad})


_COUNTED: Mapping[Measure | None, Callable[[str, str, float, Metric], _Counted]] = MappingProxyType(
    {
        Measure.DELIVERY_RATE: _delivery_rate,
        Measure.FAILURE_RATE: _failure_rate,
        Measure.EVENT_RATE: _event_rate,
        Measure.AVAILABILITY: _availability,
        Measure.LATE_RATE: _late_rate,
    }
)
