"""How often everybody is looked at, and by which rule: the seldomer, the longer it took last.

Who sends shares the database with who looks. A look that reads half a million messages of an hour
must not be repeated every five seconds because one that reads ten may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mentalspace.engine.runbook import AlertKind, AlertRule

SOONEST_S = 5.0
# How often a share looks, by the length of its window: nothing moves faster than that.
_LOOKS = 720
_LATEST_S = 300.0
_EVERY_S: Mapping[AlertKind, float] = {
    AlertKind.BURN: 15.0,
    AlertKind.ABSENCE: 60.0,
    AlertKind.COST: 60.0,
    AlertKind.CALLBACKS: 60.0,
    AlertKind.LOST_CALLBACKS: 60.0,
}
# Rules on what is counted over a window, which may be large. They may take this share of the time
# each, down to so many times the soonest; the others look at what has failed, and at once.
_COUNTING = frozenset({AlertKind.RATE, AlertKind.BURN, AlertKind.ABSENCE, AlertKind.COST})
_SHARE_OF_RULE = 0.005
_SELDOMEST_OF_RULE = 60.0
# Looking at everybody may take this share of the time, down to so many times the soonest.
_SHARE = 0.05
_SELDOMEST = 4.0


@dataclass(slots=True)
class Pace:
    """`soonest_s` is how soon a rule looks again at the same credential. No more often everybody is
    looked through for whom it is time, and in between only what cannot wait. Times are the house's
    clock's; what something took is what it took, in seconds."""

    soonest_s: float = SOONEST_S
    whole_at: datetime | None = None
    tick_at: datetime | None = None
    _apart_s: float = 0.0
    _turns_s: dict[str, float] = field(default_factory=dict)

    def unseen_s(self, now: datetime) -> float | None:
        """How long ago the last look was, of what has just failed alone; None if it is time to look
        at everybody."""
        if self.whole_at is None or self.tick_at is None:
            return None
        if not 0 <= (now - self.whole_at).total_seconds() < self._apart_s:
            return None
        return (now - self.tick_at).total_seconds()

    def every_s(self, rule: AlertRule) -> float:
        """How long after a look the next one is due."""
        plain_s = _EVERY_S.get(rule.kind, self.soonest_s)
        if rule.kind is AlertKind.RATE:
            plain_s = min(max(rule.window_s / _LOOKS, self.soonest_s), _LATEST_S)
        paid_s = self._turns_s.get(rule.id, 0.0) / _SHARE_OF_RULE
        return max(plain_s, min(paid_s, self.soonest_s * _SELDOMEST_OF_RULE))

    def note_turn(self, rule: AlertRule, took_s: float) -> None:
        """A rule's turn in a look at everybody."""
        if rule.kind in _COUNTING:
            self._turns_s[rule.id] = took_s

    def note_whole(self, began: datetime, ended: datetime) -> None:
        """A look at everybody. It saw things until `ended`: sooner nothing is due again."""
        took_s = (ended - began).total_seconds()
        self.whole_at = ended
        self._apart_s = max(self.soonest_s, min(took_s / _SHARE, self.soonest_s * _SELDOMEST))
