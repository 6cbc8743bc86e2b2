"""When each case, rule and drill was last proven: by which drill, in which run, by which text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import AlertState, Runbooks
from mentalspace.engine.runbook.revision import file_revision, rule_revision

# A quarter: what was proven longer ago is proven no more. Reviews of the runbook are as often.
STALE_AFTER = timedelta(days=90)
NO_DRILL = "no drill proves it"

_PROOFS = """
select distinct on (subject) subject, id as run_id, drill, finished_at as at, revision, chain, seq
  from drill_run cross join lateral unnest(proved || drill) as subject
 where passed and finished_at is not null and ($1::text is null or subject = $1)
 order by subject, finished_at desc
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """The latest passed run that promised and saw `subject`: a case's, a rule's or a drill's id.

    `revision` are the digests of the files that the run followed, by their pages' ids.
    """

    subject: str
    at: datetime
    drill: str
    run_id: str
    revision: Mapping[str, str] = field(default_factory=dict)
    chain: str | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a page says of a proof. `stale` is why it counts no longer; None while it does."""

    proof: Proof | None
    stale: str | None

    @property
    def holds(self) -> bool:
        return self.proof is not None and self.stale is None


async def last_proven(connection: Connection, subject: str) -> Proof | None:
    """Of one case, rule or drill, by its id. Runs as on-call or as the dispatcher."""
    row = await connection.fetchrow(_PROOFS, subject)
    return None if row is None else _proof(row)


async def all_proven(connection: Connection) -> dict[str, Proof]:
    """Of all there is, by id."""
    return {row["subject"]: _proof(row) for row in await connection.fetch(_PROOFS, None)}


def standing(
    runbooks: Runbooks,
    subject: str,
    proof: Proof | None,
    now: datetime,
    written: Mapping[str, str] | None = None,
) -> Standing:
    """Whether the proof still says something of `subject` as it is written today. Whoever asks of
    many reads the `revisions` once."""
    if proof is None:
        return Standing(None, None)
    if now - proof.at > STALE_AFTER:
        return Standing(proof, f"proven more than {STALE_AFTER.days} days ago")
    today = (revisions(runbooks) if written is None else written).get(subject)
    before = proof.revision.get(subject)
    if before is not None and today is not None and before != today:
        return Standing(proof, "what it says was changed since")
    return Standing(proof, None)


def revisions(runbooks: Runbooks) -> dict[str, str]:
    """The digest of each case's, rule's and drill's text as it is today."""
    found = {case.id: file_revision(case.path) for case in runbooks.cases}
    found |= {rule.id: rule_revision(rule) for rule in runbooks.alerts}
    found |= {proof.rule_id: file_revision(proof.path) for proof in runbooks.house_proofs}
    return found | {drill.id: file_revision(drill.path) for drill in runbooks.all_drills}


def _proof(row: Any) -> Proof:
    return Proof(**dict(row))


@dataclass(frozen=True, slots=True)
class Gap:
    """A case or a rule that nothing proves, or nothing proves any more. `drill` would."""

    subject: str
    kind: str
    why: str
    drill: str | None


def gaps(runbooks: Runbooks, proofs: Mapping[str, Proof] | None, now: datetime) -> list[Gap]:
    """In the order of the runbooks. Without `proofs` only what no drill could prove."""
    found = []
    written = revisions(runbooks)
    for subject, kind, drill, why in _provable(runbooks):
        if why is None and proofs is not None:
            said = standing(runbooks, subject, proofs.get(subject), now, written)
            why = "never proven here" if said.proof is None else said.stale
        if why is not None:
            found.append(Gap(subject, kind, why, drill))
    return found


def _provable(runbooks: Runbooks) -> Iterator[tuple[str, str, str | None, str | None]]:
    """Each case and rule, the drill that proves it, and why none does. A rule of the house that
    says openly which test proves it instead waits for no drill."""
    for room in runbooks.rooms:
        drills = {name: drill for drill in room.drills for name in (drill.name, drill.id)}
        for case in room.cases:
            drill = drills.get(case.drill or "")
            proves = drill is not None and case.id in (*drill.cases, drill.expect.case)
            yield case.id, "case", drill.id if drill else None, None if proves else NO_DRILL
        for rule in room.overview.alerts:
            drill = drills.get(rule.drill or "")
            if rule.state is not AlertState.LIVE:
                yield rule.id, "rule", drill.id if drill else None, "it is not evaluated yet"
                continue
            proves = drill is not None and rule.id in drill.expect.alert
            yield rule.id, "rule", drill.id if drill else None, None if proves else NO_DRILL
    house = {name: drill for drill in runbooks.rehearsals for name in (drill.name, drill.id)}
    for proof in runbooks.house_proofs:
        if proof.test is None:
            own = house.get(proof.drill or "")
            proves = own is not None and proof.rule_id in own.proves
            yield proof.rule_id, "rule", own.id if own else None, None if proves else NO_DRILL
