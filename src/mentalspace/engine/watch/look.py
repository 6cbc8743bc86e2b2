"""Whom a rule is asked about, and what one look at them saw."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import AlertRule, RoomRunbook
from mentalspace.engine.watch.state import State


@dataclass(frozen=True, slots=True)
class Subject:
    """A credential whose turn it is, and where the rule stood with it.

    `opening` is its practice's week, a window of minutes a day, Monday first; `zone` its clock.
    """

    credential_id: UUID
    practice_id: UUID
    provider: str
    endpoint: str
    drill: str | None
    zone: str
    opening: Sequence[Sequence[int] | None]
    last_good_at: datetime | None
    now: datetime
    state: State | None = None
    since: datetime | None = None
    alerted_at: datetime | None = None
    incident_id: UUID | None = None
    recovered_at: datetime | None = None

    @property
    def in_state_s(self) -> float:
        return 0.0 if self.since is None else (self.now - self.since).total_seconds()

    @property
    def incident_open(self) -> bool:
        return self.incident_id is not None and self.recovered_at is None


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen. Without a `value` there is nothing to judge by, and `seen` says why.

    `seen` is for people and names nobody; `since` is when the trouble began. `first_step` is what
    to do, where what was seen says more than the rule does. What `lingers` is beyond the line,
    though perhaps by chance: enough to stay an incident, not to be one. `steady` is whether the
    last few say the same of whose fault it is; `shared`, a cause in common with others', whosever
    the fault is.
    """

    value: float | None
    fires: bool
    seen: str
    n: int | None = None
    since: datetime | None = None
    fault: str = "unclear"
    case_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    first_step: str | None = None
    lingers: bool = False
    steady: bool = True
    shared: str | None = None


def nothing(why: str) -> Look:
    return Look(None, False, why)


# Asks for all of them at once. A credential that is left out has nothing to judge by.
Watch: TypeAlias = Callable[
    [Connection, RoomRunbook, AlertRule, Sequence[Subject]], Awaitable[Mapping[UUID, Look]]
]


def ids(subjects: Sequence[Subject]) -> list[UUID]:
    return [subject.credential_id for subject in subjects]
