"""What Prometheus sees of a rule: its expression, and series under which it fires or must not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from mentalspace.engine.export.guard import expression, k_min
from mentalspace.engine.runbook import AlertKind, AlertRule, Measure, Metric, Of, Op, RoomRunbook

# Series of a unit test by name, with their values in Prometheus's notation, five minutes apart.
Series = Mapping[str, str]
TEST_AT_MIN, STEP_MIN = 40, 5

_OURS = (
    "There it is judged for each credential and by people; here for each provider and all"
    " practices\nas one, so that it fires later where many practices hide a few."
)


@dataclass(frozen=True, slots=True)
class Watch:
    """`records` are recorded under the rule's id, in order, and `alert` asks them.

    `ill` must fire by `TEST_AT_MIN` and `well` must not; `labels` are what the alert then carries
    beside the rule's own. `remark` says where it differs from our own evaluator.
    """

    alert: str
    ill: Series
    well: Series
    remark: str
    records: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def watch(room: RoomRunbook, rule: AlertRule) -> Watch:
    """Every rule has one: what Prometheus cannot count itself it takes from our evaluator."""
    match rule.kind:
        case AlertKind.CASE:
            return _case(room, rule)
        case AlertKind.PAUSED:
            return _paused(room, rule)
        case AlertKind.CONSECUTIVE:
            return _consecutive(room, rule)
        case AlertKind.RATE:
            return _rate(room, rule)
        case _:
            return _as_judged(rule)


def provider_of(room: RoomRunbook, case_ids: Sequence[str] = ()) -> str:
    """A provider that the cases may come from, else any of the room's."""
    named = [case for case in room.cases if case.id in case_ids and case.provider]
    return next(case.provider or "" for case in (*named, *room.cases) if case.provider)


def span(seconds: float) -> str:
    """As PromQL writes a length of time, in the largest unit that fits it."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s"


def selector(name: str, **labels: str) -> str:
    """A series by its labels; a value that begins with `~` is a pattern."""
    inner = ",".join(
        f'{key}=~"{value[1:]}"' if value.startswith("~") else f'{key}="{value}"'
        for key, value in labels.items()
    )
    return f"mentalspace_{name}{{{inner}}}"


def any_of(names: Sequence[str]) -> str:
    return "~" + "|".join(name.replace(".", "\\\\.") for name in names)


def by_provider(series: str) -> str:
    """Every API answers for the whole installation: the highest of them, then summed."""
    return f"sum by (integration, provider) (max without (instance, pod) ({series}))"


def increase(name: str, window_s: float, **labels: str) -> str:
    return by_provider(f"increase({selector(name, **labels)}[{span(window_s)}])")


# The kinds ----------------------------------------------------------------------------------------


def _case(room: RoomRunbook, rule: AlertRule) -> Watch:
    threshold = 1 if rule.threshold is None else rule.threshold
    provider = provider_of(room, rule.cases)
    cases = any_of(rule.cases)
    series = selector(
        "failing_deliveries", integration=room.room, provider=provider, case=rule.cases[0]
    )
    return Watch(
        alert=f"{by_provider(selector('failing_deliveries', integration=room.room, case=cases))}"
        f" >= {threshold:g}",
        ill={series: f"0x2 {threshold:g}x6"},
        well={series: f"{threshold - 1:g}x9"},
        remark="Messages that met one of the cases since the last success, of the worst"
        " credential.",
        labels={"provider": provider},
    )


def _paused(room: RoomRunbook, rule: AlertRule) -> Watch:
    waiting = 1 if rule.threshold is None else rule.threshold
    provider, cases = provider_of(room, rule.cases), any_of(rule.cases)
    name, least = ("paused_deliveries", waiting) if waiting else ("lanes_paused", 1)
    series = selector(name, integration=room.room, provider=provider, case=rule.cases[0])
    return Watch(
        alert=f"{by_provider(selector(name, integration=room.room, case=cases))} >= {least:g}",
        ill={series: f"0x2 {least:g}x6"},
        well={series: f"{least - 1:g}x9"},
        remark="What is due in a lane that stands still."
        if waiting
        else "A lane that stands still is enough, with nothing in it.",
        labels={"provider": provider},
    )


def _consecutive(room: RoomRunbook, rule: AlertRule) -> Watch:
    threshold = 1 if rule.threshold is None else rule.threshold
    provider = provider_of(room)
    series = selector("failing_streak", integration=room.room, provider=provider)
    counted = selector("failing_streak", integration=room.room)
    return Watch(
        alert=f"max by (integration, provider) ({counted}) >= {threshold:g}",
        ill={series: f"0x2 {threshold:g}x6"},
        well={series: f"{threshold - 1:g}x9"},
        remark="People whose messages failed one after another, of the worst credential. It counts"
        " people\nonly; our own evaluator asks for as many messages as well.",
        labels={"provider": provider},
    )


def _as_judged(rule: AlertRule) -> Watch:
    """Opening hours, what is usual on such a day, who is called back: the ledger alone knows."""
    judged = selector("rule_states", rule=rule.id, state="alerting")
    return Watch(
        alert=f"max by (rule) ({judged}) > 0",
        ill={judged: "0x2 1x6"},
        well={judged: "0x9"},
        remark="Taken over from our own evaluator, for Prometheus has not what it judges by. If the"
        " evaluator\nstands still, HouseEvaluatorStalled fires and this says nothing.",
    )


# Rates --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Counted:
    """The bad ones and all of a share, as expressions; and which series grow by how much for so
    many bad of so many."""

    bad: str
    n: str
    grow: Callable[[int, int], Mapping[str, int]]
    remark: str = _OURS


def _rate(room: RoomRunbook, rule: AlertRule) -> Watch:
    metric = room.overview.metric(rule.metric)
    assert metric is not None and rule.threshold is not None, f"{rule.id}: `runbook check` says so"
    if metric.measure is Measure.OPT_OUT_RATE or metric.measure is None:
        return _people(rule, metric)
    provider = provider_of(room)
    counted = _COUNTED[metric.measure](room.room, provider, rule.window_s, metric)
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
    where = {"integration": room, "provider": provider}
    bound = f"{metric.late_after_s:g}"
    n = increase("delivery_seconds_count", window_s, integration=room)
    in_time = increase("delivery_seconds_bucket", window_s, integration=room, le=bound)
    count = selector("delivery_seconds_count", **where)
    bucket = selector("delivery_seconds_bucket", **where, le=bound)
    return _Counted(f"{n}\n- {in_time}", n, lambda bad, n: {count: n, bucket: n - bad})


_COUNTED: Mapping[Measure, Callable[[str, str, float, Metric], _Counted]] = MappingProxyType(
    {
        Measure.DELIVERY_RATE: _delivery_rate,
        Measure.FAILURE_RATE: _failure_rate,
        Measure.EVENT_RATE: _event_rate,
        Measure.AVAILABILITY: _availability,
        Measure.LATE_RATE: _late_rate,
    }
)
