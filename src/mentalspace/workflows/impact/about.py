"""What an incident's rule counts: that is told of it, and not what befell its lanes besides."""

from __future__ import annotations

from dataclasses import dataclass

from mentalspace.engine.runbook import AlertKind, Measure, Metric, Runbooks

# They count no message that failed.
_OF_NO_MESSAGE = frozenset(
    {AlertKind.COST, AlertKind.CALLBACKS, AlertKind.LOST_CALLBACKS, AlertKind.GAUGE}
)
# Nor do those about paging: a message that is late has its own trouble.
_OF_PAGING = frozenset({"house.nobody_paged", "house.channel_fails", "house.oncall_gap"})
_LATE = frozenset({Measure.LATE_RATE, Measure.SLOW_RATE, Measure.SEND_TIME, Measure.DELIVERY_TIME})


@dataclass(frozen=True, slots=True)
class About:
    """`lanes`: tries that fail and what waits behind them, of the incident's own fault alone where
    the rule sees one (`by_fault`). `returns`: what was taken and came back, by `cases` if the rule
    names some, and never by `not_cases`; what our own rules refused by `cases` as well. `leavers`:
    whoever wants no more, by these reasons. `kind` is for words: the rule's, or of a rate what it
    is a rate of."""

    kind: str = ""
    lanes: bool = True
    returns: bool = False
    cases: tuple[str, ...] = ()
    not_cases: tuple[str, ...] = ()
    leavers: tuple[str, ...] = ()
    by_fault: bool = False

    @property
    def nobody(self) -> bool:
        """It counts no message that failed: a cost, a figure, a silence afterwards."""
        return not (self.lanes or self.returns or self.leavers)


FAILURES = About()


def about_of(runbooks: Runbooks, rule_id: str) -> About:
    """Of a rule that is gone, or of the house, as of one on failures."""
    if rule_id in _OF_PAGING:
        return About(lanes=False)
    try:
        rule = runbooks.alert(rule_id)
    except LookupError:
        return About()
    room = next(room for room in runbooks.rooms if rule in room.overview.alerts)
    metric = room.overview.metric(rule.metric)
    if rule.kind is AlertKind.RATE and metric is not None:
        return _of_rate(metric, room.recipient_cases)
    kind = rule.kind.value
    if rule.kind in (AlertKind.CONSECUTIVE, AlertKind.CASE):
        return About(kind, by_fault=True)
    if rule.kind in (AlertKind.UNDELIVERED, AlertKind.REFUSED):
        return About(kind, False, True, rule.cases, room.recipient_cases)
    if rule.kind is AlertKind.BURN:
        return About("failing", returns=True, not_cases=room.recipient_cases)
    return About(kind, lanes=rule.kind not in _OF_NO_MESSAGE)


def _of_rate(metric: Metric, recipient_cases: tuple[str, ...]) -> About:
    if metric.measure is Measure.OPT_OUT_RATE:
        return About("leaving", lanes=False, leavers=metric.reasons)
    if metric.measure is Measure.EVENT_RATE:
        returned = any("bounce" in event for event in metric.events)
        return About("returned" if returned else "complained", lanes=False, returns=returned)
    if metric.measure in _LATE:
        return About("late")
    whoever = metric.measure is Measure.FAILURE_RATE
    return About("failing", returns=True, not_cases=() if whoever else recipient_cases)
