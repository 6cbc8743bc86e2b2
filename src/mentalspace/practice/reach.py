"""By which ways a client is told: their choice, and what their number and the practice allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from mentalspace.kernel.phi import Phi
from mentalspace.practice.saying.facts import AppointmentKind

By = Literal["email", "text", "both"]
BYS: tuple[By, ...] = get_args(By)


@dataclass(frozen=True, slots=True)
class Reach:
    """`number` is in E.164, None if there is none that can be dialled; `typed` says that there is
    one all the same. `texts` says that the practice texts: it has a credential for it,
    and has not switched it off. Of the zones the client's may be unknown. `stopped` is why the
    consent ledger has no texts for them, where it was asked."""

    number: Phi[str] | None = None
    kind: str | None = None
    typed: bool = False
    reminders_by: By = "email"
    changes_by: By = "email"
    falls_back: bool = True
    texts: bool = True
    client_zone: str | None = None
    practice_zone: str = "UTC"
    cancel_before_h: int = 24
    stopped: str | None = None

    @property
    def why_no_text(self) -> str | None:
        """A phrase without a name in it; None if they can be texted."""
        if not self.texts:
            return "the practice sends no texts"
        if self.number is None:
            return "the telephone number cannot be dialled" if self.typed else "no telephone number"
        return "the telephone is a landline" if self.kind == "landline" else self.stopped


@dataclass(frozen=True, slots=True)
class Ways:
    """`why_no_text` says why a text that was chosen is not written."""

    email: bool
    text: bool
    why_no_text: str | None = None


def chosen_way(reach: Reach, kind: AppointmentKind) -> By:
    return reach.reminders_by if kind == "reminder" else reach.changes_by


def ways_of(reach: Reach, kind: AppointmentKind) -> Ways:
    """What cannot be texted goes by mail where the client allows it."""
    chosen = chosen_way(reach, kind)
    if chosen == "email":
        return Ways(email=True, text=False)
    why_not = reach.why_no_text
    instead = why_not is not None and reach.falls_back
    return Ways(chosen == "both" or instead, why_not is None, why_not)
