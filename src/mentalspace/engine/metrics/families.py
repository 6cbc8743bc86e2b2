"""The series that are exported: what each means, its labels, and how practices join in one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

PREFIX = "mentalspace_"
OPEN = ("pending", "due", "sending", "unknown", "held")
# How a delivery may end, and whose doing that is: `other` is ours or the provider's.
ENDED = (
    ("delivered", "none"),
    ("cancelled", "none"),
    ("bounced", "recipient"),
    *(
        (status, fault)
        for status in ("refused", "failed", "expired")
        for fault in ("recipient", "other")
    ),
)

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value by its family's name. Of a histogram it is what fell in the bucket `le` alone, and
    `seconds` their sum."""

    name: str
    labels: Mapping[str, str]
    value: float
    practice_id: UUID | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Family:
    """`merge` says what several credentials or practices with the same labels come to."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    merge: Callable[[Iterable[float]], float] = field(default=sum)
    of_practices: bool = True


_WHERE = ("integration", "provider")
_LINES: tuple[Family, ...] = (
    Family("attempts", "counter", "Requests to providers that ended, by what the runbook says",
           (*_WHERE, "outcome", "fault", "case")),
    Family("attempt_duration_seconds", "histogram", "How long a request to a provider took",
           _WHERE),
    Family("deliveries_accepted", "counter", "Messages that a provider took", _WHERE),
    Family("deliveries_ended", "counter", "Messages that ended, by how and by whose doing",
           (*_WHERE, "status", "fault")),
    Family("send_seconds", "histogram", "From due to accepted", _WHERE),
    Family("delivery_seconds", "histogram", "From accepted to delivered", _WHERE),
    Family("provider_events", "counter", "Events that providers told, of those a metric counts",
           (*_WHERE, "event")),
    Family("suppressions", "counter", "Recipients who are written to no more, of the reasons a "
           "metric counts", ("integration", "reason")),
    Family("webhooks_received", "counter", "Webhooks that were verified and kept, each once",
           _WHERE),
    Family("deliveries_open", "gauge", "Messages that have not ended, by status",
           (*_WHERE, "status")),
    Family("queue_depth", "gauge", "Messages that could go now: due, in an open lane, and the "
           "breaker closed", (*_WHERE, "class")),
    Family("queue_oldest_seconds", "gauge", "How long the oldest of them has waited for its turn",
           (*_WHERE, "class"), merge=max),
    Family("breakers", "gauge", "Credentials by the state of their breaker", (*_WHERE, "state")),
    Family("breaker_open_seconds", "gauge", "How long a breaker has not been closed, unless a "
           "person set it; the longest", _WHERE, merge=max),
    Family("lanes_paused", "gauge", "Lanes that stand still, by the case that stopped them",
           (*_WHERE, "case")),
    Family("paused_deliveries", "gauge", "Messages that are due in a lane that stands still",
           (*_WHERE, "case")),
    Family("failing_streak", "gauge", "People whose messages failed one after another, not by "
           "their own fault, since the last success; of the worst credential", _WHERE, merge=max),
    Family("failing_deliveries", "gauge", "Messages that met a case since the last success; of the "
           "worst credential", (*_WHERE, "case"), merge=max),
    Family("last_success_timestamp_seconds", "gauge", "When a request last succeeded", _WHERE,
           merge=max),
    Family("webhooks_unapplied", "gauge", "Webhooks that wait to be applied, or for a person",
           (*_WHERE, "state")),
    Family("rule_states", "gauge", "Credentials by the state of each rule, as our own evaluator "
           "judged last", ("rule", "state"), of_practices=False),
    Family("rule_bad", "gauge", "What it counted as bad", ("rule",), of_practices=False),
    Family("rule_n", "gauge", "What it counted in all", ("rule",), of_practices=False),
    Family("room_gauge", "gauge", "What a room measures itself, the worst practice's; see the"
           " metrics of its runbook", ("integration", "metric", "subject"), merge=max),
    Family("incidents_open", "gauge", "Incidents that nobody has resolved",
           ("integration", "severity", "status"), of_practices=False),
    Family("incidents_opened", "counter", "Incidents ever opened", ("integration", "severity"),
           of_practices=False),
    Family("pages", "counter", "Pages by target and what became of them", ("target", "state"),
           of_practices=False),
    Family("pages_waiting", "gauge", "Pages that have not gone out yet", ("target",),
           of_practices=False),
    Family("processes", "gauge", "Processes whose heart beats", ("kind",), of_practices=False),
    Family("heartbeat_age_seconds", "gauge", "Since the youngest heartbeat", ("kind",), merge=min,
           of_practices=False),
    Family("loop_seconds", "gauge", "How long the last turn of a worker's loop took; the slowest "
           "worker's", ("loop",), merge=max, of_practices=False),
    Family("loop_age_seconds", "gauge", "Since the last turn of a loop ended well; the worker's "
           "that is most up to date", ("loop",), merge=min, of_practices=False),
    Family("loop_failures", "gauge", "Turns of a loop that failed one after another",
           ("loop",), merge=max, of_practices=False),
    Family("wakeups", "gauge", "Wake-ups in the queue, waiting or worked on", of_practices=False),
    Family("database_up", "gauge", "Whether the rest could be read", of_practices=False),
    Family("read_seconds", "gauge", "How long reading it took", of_practices=False),
    Family("build_info", "gauge", "Always 1; its version", ("version", "mode"), of_practices=False),
)  # fmt: skip
FAMILIES: Mapping[str, Family] = {family.name: family for family in _LINES}


def families_of(samples: Iterable[Sample], *, practices: bool) -> Iterator[Metric]:
    """Every family that has a sample, in one order; with a label for the practice if asked for."""
    found: dict[str, dict[tuple[str, ...], list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        key = _key(FAMILIES[sample.name], sample, practices)
        found[sample.name][key].append(sample)
    for name, family in FAMILIES.items():
        if name in found:
            yield _metric(family, found[name], practices)


def _key(family: Family, sample: Sample, practices: bool) -> tuple[str, ...]:
    labels = tuple(sample.labels.get(name, "") for name in family.labels)
    if not (practices and family.of_practices):
        return labels
    return (*labels, str(sample.practice_id or ""))


def _metric(
    family: Family, found: Mapping[tuple[str, ...], list[Sample]], practices: bool
) -> Metric:
    labels = [*family.labels, *(["practice"] if practices and family.of_practices else [])]
    if family.kind == "histogram":
        return _histogram(family, labels, found)
    make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric: Metric = make(PREFIX + family.name, family.help, labels=labels)
    for key in sorted(found):
        metric.add_metric(key, family.merge(sample.value for sample in found[key]))  # type: ignore[attr-defined]
    return metric


def _histogram(
    family: Family, labels: list[str], found: Mapping[tuple[str, ...], list[Sample]]
) -> Metric:
    metric = HistogramMetricFamily(PREFIX + family.name, family.help, labels=labels)
    bounds = sorted(
        {sample.labels["le"] for samples in found.values() for sample in samples} | {"+Inf"},
        key=float,
    )
    for key in sorted(found):
        within: dict[str, float] = defaultdict(float)
        for sample in found[key]:
            within[sample.labels["le"]] += sample.value
        total, buckets = 0.0, []
        for bound in bounds:
            total += within[bound]
            buckets.append((bound, total))
        metric.add_metric(key, buckets, sum(sample.seconds for sample in found[key]))
    return metric
