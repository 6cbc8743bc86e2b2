"""Looks at every credential of a room and says what is wrong, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mentalspace.engine.adapters import Adapters
from mentalspace.engine.agreement import Standing, standings
from mentalspace.engine.outbound import open_client
from mentalspace.engine.services import Services
from mentalspace.kernel.case import Fault, classify
from mentalspace.kernel.errors import ProviderError, Refused

State = Literal["good", "warning", "bad"]

_CREDENTIALS = """
select c.id, c.practice_id, c.integration, c.provider, c.endpoint, c.live
  from credential c where c.active and c.drill is null and ($1::text is null or c.integration = $1)
 order by c.integration, c.endpoint
"""
_HEALTH = """
select s.breaker, s.last_good_at, app.now() as asked_at,
       (select string_agg(class || ' ' || coalesce(paused_case, 'by hand'), ', ') from lane
         where credential_id = s.credential_id and state = 'paused') as paused,
       (select extract(epoch from app.now() - min(next_attempt_at))::float8 from delivery
         where credential_id = s.credential_id and status in ('pending', 'due', 'unknown')
           and next_attempt_at < app.now()) as oldest_s,
       (select count(*) from delivery where credential_id = s.credential_id
           and status = 'held') as held,
       (select count(*) from delivery where credential_id = s.credential_id
           and status = 'unknown') as unknown
  from credential_state s where s.credential_id = $1
"""
# Time enough to have a renewal signed.
AGREEMENT_WARNS_DAYS = 30
# A queue older than this is no longer a matter of a moment.
QUEUE_WARNS_S = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `whose` is set when something is wrong and it is known whose."""

    room: str
    subject: str
    check: str
    state: State
    text: str
    whose: Literal["ours", "theirs"] | None = None


async def examine(services: Services, room: str | None) -> list[Finding]:
    """Every active credential, or those of one room. Raises Refused for a room there is not."""
    if room is not None and room not in services.rooms:
        raise Refused("no_such_room", f"there is no room {room!r}: {', '.join(services.rooms)}")
    async with services.database.as_door() as connection:
        rows = await connection.fetch(_CREDENTIALS, room)
    async with services.database.as_oncall() as connection:
        standing = {found.credential_id: found for found in await standings(connection)}
    findings = []
    for row in rows:
        findings.append(await _call(services, row))
        if (found := standing.get(row["id"])) is not None:
            findings += going_live(services, found)
        findings += await _health(services, row)
    return findings


def going_live(services: Services, standing: Standing) -> list[Finding]:
    """Whether this credential may carry clients' data to its vendor, and to whom."""
    title = services.rooms[standing.integration].provider(standing.provider).title
    row = {name: getattr(standing, name) for name in ("integration", "provider", "endpoint")}
    if standing.test_only:
        text = "test only: it reaches the provider's test recipients and nobody else"
        return [_finding(row, "test mode", "warning", text, "ours")]
    if standing.is_missing:
        text = (
            f"none with {title} holds today: what names clients waits (mentalspace agreement add)"
        )
        return [_finding(row, "agreement", "bad", text, "ours")]
    if not standing.needs_agreement:
        return []
    if standing.ends_on is None:
        return [_finding(row, "agreement", "good", f"one with {title} holds, without an end")]
    days = (standing.ends_on - standing.today).days
    state: State = "warning" if days <= AGREEMENT_WARNS_DAYS else "good"
    text = f"the one with {title} ends on {standing.ends_on}, in {days} days"
    return [_finding(row, "agreement", state, text)]


async def _call(services: Services, row: Any) -> Finding:
    """One harmless call to the provider, and the runbook's word on its answer."""
    provider = services.rooms[row["integration"]].provider(row["provider"])
    async with open_client(live=row["live"]) as client:
        adapters = Adapters(
            services.database, services.vault, services.rooms, {row["live"]: client}
        )
        adapter = await adapters.of(row["practice_id"], row["id"])
        try:
            seen = await adapter.check()
        except Refused as error:
            return _finding(row, "provider", "bad", str(error), "ours")
        except ProviderError as error:
            cases = services.runbooks.room(row["integration"]).cases_for(row["provider"])
            case = classify(cases, error.evidence)
            text = f"{provider.title} answered {error.evidence.summary()}: {case.title} ({case.id})"
            whose: Literal["ours", "theirs"] = "theirs" if case.fault is Fault.THEIRS else "ours"
            return _finding(row, "provider", "bad", text, whose)
    return _finding(row, "provider", "good", f"{provider.title}: {seen}")


async def _health(services: Services, row: Any) -> list[Finding]:
    async with services.database.as_worker(row["practice_id"]) as connection:
        health = await connection.fetchrow(_HEALTH, row["id"])
    if health is None:
        return []
    last = health["last_good_at"]
    good = f"{last:%Y-%m-%d %H:%M} UTC" if last else "none yet"
    findings = [_finding(row, "last good call", "good" if last else "warning", good)]
    if health["breaker"] != "closed":
        text = f"the breaker is {health['breaker'].replace('_', ' ')}"
        findings.append(_finding(row, "breaker", "bad", text, "theirs"))
    if health["paused"]:
        findings.append(_finding(row, "lanes", "bad", f"paused: {health['paused']}", "ours"))
    oldest_s = health["oldest_s"] or 0.0
    state: State = "warning" if oldest_s > QUEUE_WARNS_S else "good"
    findings.append(_finding(row, "queue age", state, f"oldest waits {oldest_s:.0f} s"))
    for name in ("held", "unknown"):
        if health[name]:
            findings.append(_finding(row, name, "warning", f"{health[name]} wait for a person"))
    return findings


def _finding(
    row: Any, check: str, state: State, text: str, whose: Literal["ours", "theirs"] | None = None
) -> Finding:
    subject = f"{row['provider']}/{row['endpoint']}"
    return Finding(row["integration"], subject, check, state, text, whose)
