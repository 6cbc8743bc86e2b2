"""Keys that a provider refuses at many practices at one time: one cause, and most likely theirs.

One key expires, or is changed and not told of; many do not at once. A practice whose key alone is
refused stays its own, and so does whoever was refused well before the others. Many may well be
entered anew at once, with one mistake: those say nothing of the others.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.grouping import join_group
from mentalspace.engine.ledger import record
from mentalspace.engine.runbook import AlertRule
from mentalspace.engine.watch.entered import entered_anew

PRACTICES = 3
WITHIN = timedelta(minutes=5)

TITLE = "A provider refuses the keys of many practices at once: theirs most likely"
FIRST = (
    "look at the provider's status page, and ask it; enter no new keys yet: many do not expire at"
    " once"
)
# What each of them says, whosever the cases of its tries are (`met`).
TOLD: dict[str, Any] = {"first_step": FIRST, "refused_together": True, "met": "ours"}

_STANDING = """
select id, credential_id, practice_id, facts ->> 'provider' as provider, case_id, since, cause,
       recovered_at
  from incident
 where rule_id = $1 and status <> 'resolved' and case_id = any ($2)
   and (fault = 'ours' or facts ? 'refused_together')
   and drill is null and credential_id is not null
 order by opened_at, id
"""
_ADOPT = """
update incident set cause = $2, title = $3, fault = 'theirs',
       facts = facts - 'entered_at' || $4
 where id = $1 and cause is null and lead_id is null and status <> 'resolved' returning true
"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """That a practice's key is refused, by which case and since when; `entered` if a new one was
    entered just before."""

    credential_id: UUID
    practice_id: UUID | None
    provider: str
    case_id: str | None
    since: datetime
    entered: bool = False


async def shared_causes(
    connection: Connection, rule: AlertRule, refusals: Sequence[Refusal]
) -> dict[UUID, str]:
    """The cause that a credential's refusal has in common with others', of those that have one.

    Incidents that stand by themselves and are of it join each other. While one of a cause is not
    over, whoever is newly refused is of it too.
    """
    seen = [refusal for refusal in refusals if refusal.case_id in rule.keys]
    if not seen:
        return {}
    rows = await connection.fetch(_STANDING, rule.id, list(rule.keys))
    ids = {*(one.credential_id for one in seen), *(row["credential_id"] for row in rows)}
    entered = await entered_anew(connection, list(ids))
    seen = [replace(one, entered=one.credential_id in entered) for one in seen]
    by_provider: dict[tuple[str, str | None], list[Refusal]] = defaultdict(list)
    for refusal in seen:
        by_provider[refusal.provider, refusal.case_id].append(refusal)
    causes: dict[UUID, str] = {}
    for which, those in by_provider.items():
        standing = [row for row in rows if (row["provider"], row["case_id"]) == which]
        causes |= await _of_provider(connection, those, standing, entered)
    return causes


async def _of_provider(
    connection: Connection,
    refusals: Sequence[Refusal],
    standing: Sequence[Any],
    entered: Collection[UUID],
) -> dict[UUID, str]:
    causes = {row["credential_id"]: row["cause"] for row in standing if row["cause"]}
    alone = {row["credential_id"]: row for row in standing if not row["cause"]}
    new = [one for one in refusals if one.credential_id not in {*causes, *alone}]
    lasting = [row["cause"] for row in standing if row["cause"] and row["recovered_at"] is None]
    if lasting:
        return causes | {one.credential_id: lasting[-1] for one in new}
    first = refusals[0]
    still = [
        Refusal(row["credential_id"], row["practice_id"], first.provider, first.case_id,
                row["since"], row["credential_id"] in entered)
        for row in alone.values() if row["recovered_at"] is None
    ]  # fmt: skip
    together = _at_once([*still, *new])
    if not together:
        return causes
    began = min(one.since for one in together)
    cause = f"refused:{first.case_id}:{first.provider}:{began:%Y-%m-%dT%H:%M:%S}"
    for one in together:
        if one.credential_id in alone:
            await _adopt(connection, alone[one.credential_id]["id"], cause)
    return causes | {one.credential_id: cause for one in together}


def _at_once(refusals: Sequence[Refusal]) -> list[Refusal]:
    """Those that began with enough other practices' within the time."""
    ordered = sorted(refusals, key=lambda one: one.since)
    starts = [one.since for one in ordered]
    found: set[int] = set()
    looked_to = 0
    for number, start in enumerate(starts):
        end = bisect_right(starts, start + WITHIN)
        if end > looked_to:
            looked_to = end
            of_itself = {one.practice_id for one in ordered[number:end] if not one.entered}
            if len(of_itself) >= PRACTICES:
                found.update(range(number, end))
    return [one for number, one in enumerate(ordered) if number in found]


async def _adopt(connection: Connection, incident_id: UUID, cause: str) -> None:
    if await connection.fetchval(_ADOPT, incident_id, cause, TITLE, TOLD):
        told = {"fault": "theirs", "because": "refused_together"}
        await record(
            connection, "fault_changed", incident_id=incident_id, data=told, actor="evaluator"
        )
        await join_group(connection, incident_id, cause)
