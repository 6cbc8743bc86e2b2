"""The runbooks in memory: one per room, and the escalation matrix they share."""

from __future__ import annotations

from dataclasses import dataclass

from mentalspace.engine.runbook.declared import DeclaredRoom
from mentalspace.engine.runbook.drill import Drill
from mentalspace.engine.runbook.escalation import Escalation
from mentalspace.engine.runbook.house_proof import HouseProof
from mentalspace.engine.runbook.issue import Check, CheckKind, Issue
from mentalspace.engine.runbook.overview import AlertRule, Overview
from mentalspace.engine.runbook.rehearsal import Rehearsal
from mentalspace.kernel.case import ErrorCase, Fault
from mentalspace.kernel.integration import Provider


@dataclass(frozen=True, slots=True)
class RoomRunbook:
    """`providers` are the room's, where it was read with them."""

    room: str
    overview: Overview
    cases: tuple[ErrorCase, ...]
    issues: tuple[Issue, ...]
    drills: tuple[Drill, ...]
    providers: tuple[Provider, ...] = ()

    def cases_for(self, provider: str) -> tuple[ErrorCase, ...]:
        """That provider's cases and the room's own: what `classify` wants."""
        return tuple(case for case in self.cases if case.provider in (provider, None))

    def step(self, rule: AlertRule, provider: str | None) -> str:
        """A rule's own step where it fires at this provider. It is written of the overview's; a
        provider without a status page can only be asked itself."""
        named = self.overview.provider
        there = next((p for p in self.providers if p.name == provider), None)
        if there is None or there.title == named:
            return rule.action
        step = rule.action
        if there.status_page is None:
            step = step.replace(f"Check {named} status", f"See whether {there.title} answers")
        return step.replace(named, there.title)

    def drill(self, name: str) -> Drill:
        """By name, with or without the room before it. LookupError if there is none."""
        for drill in self.drills:
            if name in (drill.name, drill.id):
                return drill
        raise LookupError(f"{self.room} has no drill {name!r}")

    @property
    def recipient_cases(self) -> tuple[str, ...]:
        """The cases that are the recipients' own fault: no rate of a provider counts them."""
        return tuple(case.id for case in self.cases if case.fault is Fault.RECIPIENT)

    def issue(self, issue_id: str | None) -> Issue | None:
        return next((issue for issue in self.issues if issue.id == issue_id), None)

    @property
    def queries(self) -> tuple[Check, ...]:
        """Every SQL diagnosis, to be executed."""
        return tuple(c for i in self.issues for c in i.diagnosis if c.kind is CheckKind.SQL)


@dataclass(frozen=True, slots=True)
class Runbooks:
    """`declared` are the rooms that are not built yet; `house` what to do about its own rules, each
    page by the rule's id; `house_proofs` what those rules watch, and what proves them."""

    rooms: tuple[RoomRunbook, ...]
    escalation: Escalation
    rehearsals: tuple[Rehearsal, ...] = ()
    declared: tuple[DeclaredRoom, ...] = ()
    house: tuple[Issue, ...] = ()
    house_proofs: tuple[HouseProof, ...] = ()

    def room(self, name: str) -> RoomRunbook:
        """LookupError if there is none."""
        for room in self.rooms:
            if room.room == name:
                return room
        raise LookupError(f"no runbook for {name!r}; rooms are {[r.room for r in self.rooms]}")

    def house_issue(self, rule_id: str) -> Issue | None:
        return next((issue for issue in self.house if issue.id == rule_id), None)

    def house_proof(self, rule_id: str) -> HouseProof | None:
        return next((proof for proof in self.house_proofs if proof.rule_id == rule_id), None)

    def case(self, case_id: str) -> ErrorCase:
        """LookupError if there is none."""
        for case in self.cases:
            if case.id == case_id:
                return case
        raise LookupError(f"no case {case_id!r}; `mentalspace runbook list` names them all")

    def alert(self, rule_id: str) -> AlertRule:
        """LookupError if there is none."""
        for rule in self.alerts:
            if rule.id == rule_id:
                return rule
        raise LookupError(f"no alert rule {rule_id!r}")

    def room_and_alert(self, rule_id: str) -> tuple[RoomRunbook, AlertRule]:
        """The rule and the room whose it is. LookupError if there is none."""
        for room in self.rooms:
            for rule in room.overview.alerts:
                if rule.id == rule_id:
                    return room, rule
        raise LookupError(f"no alert rule {rule_id!r}")

    @property
    def cases(self) -> tuple[ErrorCase, ...]:
        return tuple(case for room in self.rooms for case in room.cases)

    @property
    def recipient_cases(self) -> tuple[str, ...]:
        """Of every room."""
        return tuple(case_id for room in self.rooms for case_id in room.recipient_cases)

    @property
    def alerts(self) -> tuple[AlertRule, ...]:
        return tuple(rule for room in self.rooms for rule in room.overview.alerts)

    @property
    def all_drills(self) -> tuple[Drill | Rehearsal, ...]:
        """The rooms' and the house's own."""
        return (*self.drills, *self.rehearsals)

    @property
    def drills(self) -> tuple[Drill, ...]:
        return tuple(drill for room in self.rooms for drill in room.drills)
