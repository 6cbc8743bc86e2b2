"""The states of a rule with a credential, and how one look leads from one to the next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mentalspace.engine.runbook import AlertRule


class State(StrEnum):
    NORMAL = "normal"
    PENDING = "pending"  # it holds, and not yet for long enough
    ALERTING = "alerting"
    RECOVERING = "recovering"  # it no longer holds, and must stay so for a while
    NO_DATA = "no_data"  # nothing to judge by, which is no recovery
    ERROR = "error"  # it could not be evaluated, which is no recovery either


# Whatever needs a person comes first; without data nothing is called well.
URGENCY = (
    State.ALERTING,
    State.ERROR,
    State.PENDING,
    State.RECOVERING,
    State.NO_DATA,
    State.NORMAL,
)


@dataclass(frozen=True, slots=True)
class Past:
    """Where a rule stood: its state and for how long, whether an incident of it is still open
    and unrecovered, and the successes since it last held."""

    state: State | None
    for_s: float
    incident_open: bool
    successes: int


def next_state(
    rule: AlertRule, *, judged: bool, fires: bool, past: Past, lingers: bool = False
) -> State:
    """Silence is a state of its own and never recovery; recovery takes its hold and successes, and
    that what is counted no longer `lingers` beyond the line, be it by chance or not.

    What has alerted once needs no second patience while its incident is open.
    """
    if not judged:
        return State.NO_DATA
    if fires:
        waited = past.state is State.PENDING and past.for_s >= rule.pending_s
        known = past.incident_open or past.state is State.ALERTING
        patient = rule.pending_s > 0 and not (waited or known)
        return State.PENDING if patient else State.ALERTING
    if not past.incident_open:
        return State.NORMAL
    held = past.state is State.RECOVERING and past.for_s >= rule.hold_s
    # With no hold there is nothing to stand in first.
    held = held or rule.hold_s == 0
    well = held and not lingers and past.successes >= rule.resolves_after
    return State.NORMAL if well else State.RECOVERING
