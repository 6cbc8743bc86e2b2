"""What the runbooks say there is to count: the label values of every series, known beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mentalspace.engine.metrics.families import ENDED, OPEN, Sample
from mentalspace.engine.runbook import Measure, RoomRunbook, Runbooks
from mentalspace.kernel.case import Disposition
from mentalspace.kernel.integration import Integration
from mentalspace.kernel.settings import PAGE_TARGETS

# Upper bounds of the histograms, in seconds; the runbooks' own targets come in between.
_ATTEMPT = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SEND = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
_WAY = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)


@dataclass(frozen=True, slots=True)
class Known:
    """`recipient_cases` are the recipients' own faults; `zeros` the series that stand at nought
    until something happens: without them the first failure of a kind would be no increase."""

    recipient_cases: tuple[str, ...]
    events: tuple[str, ...]
    reasons: tuple[str, ...]
    histograms: Mapping[str, tuple[float, ...]]
    zeros: tuple[Sample, ...]


def known_of(runbooks: Runbooks, rooms: Mapping[str, Integration]) -> Known:
    metrics = [metric for room in runbooks.rooms for metric in room.overview.metrics]
    sends = {m.target for m in metrics if m.measure is Measure.SEND_TIME}
    ways = {m.target for m in metrics if m.measure is Measure.DELIVERY_TIME}
    lates = {m.late_after_s for m in metrics if m.measure is Measure.LATE_RATE}
    histograms = {
        "attempt_duration_seconds": _ATTEMPT,
        "send_seconds": tuple(sorted({*_SEND, *map(float, sends)})),
        "delivery_seconds": tuple(sorted({*_WAY, *map(float, ways | lates)})),
    }
    return Known(
        recipient_cases=tuple(c for room in runbooks.rooms for c in room.recipient_cases),
        events=_sorted(event for metric in metrics for event in metric.events),
        reasons=_sorted(reason for metric in metrics for reason in metric.reasons),
        histograms=histograms,
        zeros=(
            *(
                zero
                for room in runbooks.rooms
                if room.room in rooms
                for zero in _zeros(room, rooms[room.room], histograms)
            ),
            *(
                Sample("pages", {"target": target, "state": state}, 0.0)
                for target in PAGE_TARGETS
                for state in ("sent", "failed")
            ),
        ),
    )


def _sorted(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(words)))


def bound_text(bound: float) -> str:
    """As PostgreSQL writes it, which is as Prometheus reads it."""
    return f"{bound:g}"


def _zeros(
    room: RoomRunbook, integration: Integration, histograms: Mapping[str, tuple[float, ...]]
) -> Iterator[Sample]:
    metrics = room.overview.metrics
    for reason in _sorted(reason for metric in metrics for reason in metric.reasons):
        yield Sample("suppressions", {"integration": room.room, "reason": reason}, 0.0)
    for provider in integration.providers:
        where = {"integration": room.room, "provider": provider.name}
        yield Sample("attempts", {**where, "outcome": "succeeded", **_NO_CASE}, 0.0)
        for case in room.cases_for(provider.name):
            unknown = case.disposition is Disposition.RECONCILE
            what = {"outcome": "unknown" if unknown else "failed", "fault": case.fault.value}
            yield Sample("attempts", {**where, **what, "case": case.id}, 0.0)
        yield Sample("deliveries_accepted", where, 0.0)
        yield Sample("webhooks_received", where, 0.0)
        for status, fault in ENDED:
            yield Sample("deliveries_ended", {**where, "status": status, "fault": fault}, 0.0)
        for event in _sorted(event for metric in metrics for event in metric.events):
            yield Sample("provider_events", {**where, "event": event}, 0.0)
        for name, bounds in histograms.items():
            for bound in (*map(bound_text, bounds), "+Inf"):
                yield Sample(name, {**where, "le": bound}, 0.0)
        for status in OPEN:
            yield Sample("deliveries_open", {**where, "status": status}, 0.0)
        for lane in ("interactive", "bulk"):
            yield Sample("queue_depth", {**where, "class": lane}, 0.0)
            yield Sample("queue_oldest_seconds", {**where, "class": lane}, 0.0)
        for state in ("closed", "open", "half_open"):
            yield Sample("breakers", {**where, "state": state}, 0.0)
        for state in ("received", "held"):
            yield Sample("webhooks_unapplied", {**where, "state": state}, 0.0)
        yield Sample("failing_streak", where, 0.0)
        yield Sample("breaker_open_seconds", where, 0.0)


_NO_CASE = {"fault": "none", "case": "none"}
