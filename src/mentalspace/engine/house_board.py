"""The house's own rules on the board of alerts: whether each fires, and what proves that it can."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.house_alert import HOUSE_RULES, HouseRule
from mentalspace.engine.proof import Standing, all_proven, revisions, standing
from mentalspace.engine.runbook import HOUSE, HouseProof, Runbooks

_FIRING = """
select rule_id, id, title, since from incident
 where drill is null and status <> 'resolved' and recovered_at is null and integration = $1
 order by since, id
"""


@dataclass(frozen=True, slots=True)
class Firing:
    """An incident of the rule that is not over."""

    incident_id: UUID
    title: str
    since: datetime


@dataclass(frozen=True, slots=True)
class HouseLine:
    """One rule. `drill` is the id of the drill that proves it, None where its `proof` names a test
    instead; `proven` the last run in which it fired."""

    rule: HouseRule
    proof: HouseProof
    firing: tuple[Firing, ...]
    drill: str | None
    proven: Standing

    @property
    def state(self) -> str:
        return "firing" if self.firing else "quiet"


async def read_house(
    overseer: Connection, runbooks: Runbooks, rule_id: str | None = None
) -> list[HouseLine]:
    """Every rule of the house, or one. As on-call: what is the house's belongs to no practice."""
    firing: dict[str, list[Any]] = {}
    for row in await overseer.fetch(_FIRING, HOUSE):
        firing.setdefault(row["rule_id"], []).append(row)
    proofs = await all_proven(overseer)
    now = await overseer.fetchval("select app.now()")
    written = revisions(runbooks) if proofs else {}
    return [
        HouseLine(
            rule=HOUSE_RULES[each.rule_id],
            proof=each,
            firing=tuple(
                Firing(row["id"], row["title"], row["since"])
                for row in firing.get(each.rule_id, ())
            ),
            drill=f"{HOUSE}/{each.drill}" if each.drill else None,
            proven=standing(runbooks, each.rule_id, proofs.get(each.rule_id), now, written),
        )
        for each in runbooks.house_proofs
        if rule_id in (None, each.rule_id)
    ]
