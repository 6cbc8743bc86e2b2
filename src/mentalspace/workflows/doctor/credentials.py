"""Each credential of a room: does its provider answer it, may it send, and what waits behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mentalspace.engine.adapters import Adapters
from mentalspace.engine.agreement import Standing
from mentalspace.engine.heard import Heard
from mentalspace.engine.mornings import Morning
from mentalspace.engine.queued import NEAR, RESTS, WAITS
from mentalspace.engine.runbook import Price
from mentalspace.engine.services import Services
from mentalspace.kernel.case import ErrorCase, Fault, classify
from mentalspace.kernel.checkup import Finding, LookUp, State, Whose
from mentalspace.kernel.errors import Evidence, ProviderError, Refused, left_at
from mentalspace.kernel.integration import Adapter, Checkup, Provider
from mentalspace.practice.agreement import WARN_DAYS
from mentalspace.workflows.doctor.lately import Trouble
from mentalspace.workflows.doctor.report import CredentialLine, RoomFinding
from mentalspace.workflows.doctor.test_mode import OnlyTests, off_command
from mentalspace.workflows.doctor.touched import Touched
from mentalspace.workflows.doctor.way_in import WayIn

# A queue older than this is no longer a matter of a moment.
QUEUE_WARNS_S = 60.0
# The doctor does not wait as long for a provider as a delivery does.
CALL_WITHIN_S = 8.0

_REFUSED_BECAUSE = {
    "signature": "what signs them is not the secret stored here (mentalspace credential set)",
    "timestamp": "they are signed for another time, by a clock that is off or by somebody's copy",
    "account": "they are signed by another of the provider's accounts",
}

CREDENTIALS = f"""
select c.id, c.practice_id, c.integration, c.provider, c.endpoint, c.live, c.base_url,
       p.name as practice, p.slug as practice_slug,
       s.last_good_at, coalesce(s.breaker, 'closed') as breaker,
       (select string_agg(class || ' ' || coalesce(paused_case, 'by hand'), ', ') from lane
         where credential_id = c.id and state = 'paused') as paused,
       w.waiting, w.resting, w.oldest_s, w.held, w.unknown, c.fail_over_after_s, c.looks_up_numbers,
       (select count(*) from phone_line l
         where l.credential_id = c.id and l.asked_at > app.now() - interval '30 days') as looked_up,
       (select o.provider || '/' || o.endpoint from credential o
         where o.practice_id = c.practice_id and o.integration = c.integration and o.id <> c.id
           and o.active and o.drill is null and not o.test_only
         order by o.rank, o.created_at, o.id limit 1) as next,
       (select count(*) from timeline t
         where t.kind = 'moved' and t.drill is null and t.at > app.now() - interval '1 hour'
           and t.data ->> 'from_lane' in (select id::text from lane where credential_id = c.id)
       ) as went_over, r.refused, r.code as refused_code, r.since as refused_since
  from credential c join practice p on p.id = c.practice_id
  left join credential_state s on s.credential_id = c.id
  left join hook_refusal r on r.credential_id = c.id
   and not exists (select from inbox i
                    where i.credential_id = c.id and i.received_at >= r.last_at)
 cross join lateral (
    select count(*) filter (where {WAITS}) as waiting,
           count(*) filter (where {RESTS}) as resting,
           extract(epoch from app.now() - min(d.due_at) filter (where {WAITS}))::float8 as oldest_s,
           count(*) filter (where d.status = 'held') as held,
           count(*) filter (where d.status = 'unknown') as unknown
      from delivery d where d.credential_id = c.id and {NEAR} and d.due_at <= app.now()) w
 where c.active and c.drill is null and not p.is_drill
   and ($1::text is null or c.integration = $1) and ($2::uuid is null or c.practice_id = $2)
 order by c.integration, p.is_default desc, p.name, c.endpoint
"""


async def call(
    services: Services, adapters: Adapters, row: Any, look_up: LookUp
) -> tuple[RoomFinding, list[RoomFinding]]:
    """One harmless call to the provider with the runbook's word on its answer; and what the
    room itself looks at with this credential."""
    adapter = await adapters.usable(row["practice_id"], row["id"])
    if adapter is None:
        return unopened(row), []
    room = services.rooms[row["integration"]]
    answered, examined = ask(services, adapter, row), []
    if room.examine is not None:
        checkup = Checkup(
            room.provider(row["provider"]).title, adapter, services.settings.environment, look_up
        )
        found, own = await asyncio.gather(answered, room.examine(checkup))
        examined = [_of_room(row, finding) for finding in own]
    else:
        found = await answered
    return found, examined


def unopened(row: Any) -> RoomFinding:
    """Nothing leaves with what nobody can open, and its provider cannot be asked with it."""
    text = "its secret cannot be opened: is MENTALSPACE_MASTER_KEY the one that sealed it?"
    return finding(row, "provider", "bad", text, "ours")


async def ask(services: Services, adapter: Adapter, row: Any) -> RoomFinding:
    """One harmless question, and the runbook's word on its answer."""
    provider = services.rooms[row["integration"]].provider(row["provider"])
    try:
        seen = await _in_time(adapter)
    except Refused as error:
        return finding(row, "provider", "bad", str(error), "ours")
    except ProviderError as error:
        cases = services.runbooks.room(row["integration"]).cases_for(row["provider"])
        case = classify(cases, error.evidence)
        text = f"{provider.title} answered {error.evidence.summary()}: {case.title} ({case.id})"
        whose: Whose = "theirs" if case.fault is Fault.THEIRS else "ours"
        if error.evidence.kind == "connect" and left_at(error.evidence.code) is None:
            text = f"{provider.title}: {case.title} ({case.id}); the address is {row['base_url']}"
            return replace(finding(row, "provider", "bad", text, whose), unreached=True)
        return replace(
            finding(row, "provider", "bad", text, whose), cure=_cure(case, row, provider)
        )
    return finding(row, "provider", "good", f"{provider.title}: {seen}")


def _cure(case: ErrorCase, row: Any, provider: Provider) -> str | None:
    """What the runbook says to do now about what is ours."""
    if case.fault is not Fault.OURS or case.now is None:
        return None
    practice = row.get("practice") or "the practice"
    said = case.now.format(provider=provider.title, practice=practice, endpoint=row["endpoint"])
    return said.replace("`", "")


async def _in_time(adapter: Adapter) -> str:
    try:
        async with asyncio.timeout(CALL_WITHIN_S):
            return await adapter.check()
    except TimeoutError as error:
        raise ProviderError(Evidence("timeout")) from error


def going_live(
    services: Services, standing: Standing, practice: str, tests: OnlyTests | None
) -> list[RoomFinding]:
    """Whether this credential may carry clients' data to its vendor, and to whom."""
    title = services.rooms[standing.integration].provider(standing.provider).title
    row = {name: getattr(standing, name) for name in ("integration", "provider", "endpoint")}
    if standing.test_only and tests is not None:
        command = off_command(standing.integration, practice, standing.provider)
        told = finding(row, "test mode", "warning", tests.words, "ours")
        return [replace(told, cure=tests.cure(command))]
    if standing.is_missing:
        text = (
            f"none with {title} holds today: what names clients waits (mentalspace agreement add)"
        )
        return [finding(row, "agreement", "bad", text, "ours")]
    if not standing.needs_agreement:
        return []
    if standing.ends_on is None:
        return [finding(row, "agreement", "good", f"one with {title} holds, without an end")]
    days = (standing.ends_on - standing.today).days
    state: State = "warning" if days <= WARN_DAYS[0] else "good"
    text = f"the one with {title} ends on {standing.ends_on}, in {days} days"
    return [finding(row, "agreement", state, text)]


def health(
    row: Any, called: RoomFinding, way_in: WayIn | None = None, morning: Morning | None = None
) -> list[RoomFinding]:
    """What our own ledger says of it, beside what its provider answered just now."""
    last = row["last_good_at"]
    good = f"{last:%Y-%m-%d %H:%M} UTC" if last else "none yet"
    # Where nothing was ever sent there is nothing to miss.
    missed: State = "good" if last or not row["waiting"] else "warning"
    found = [finding(row, "last good call", missed, good)]
    if row["breaker"] != "closed":
        text = f"the breaker is {row['breaker'].replace('_', ' ')}"
        if called.state == "good":
            text += "; a harmless question is answered, so that the next probe may close it"
        found.append(finding(row, "breaker", "bad", text, "theirs"))
    elif called.state == "bad" and called.whose == "theirs":
        text = "closed all the same: it fails in part, or has only begun to, and what is due goes"
        found.append(finding(row, "breaker", "warning", text))
    if row["paused"]:
        found.append(finding(row, "lanes", "bad", f"paused: {row['paused']}", "ours"))
    if row["breaker"] != "closed" or row["paused"] or row["went_over"]:
        found.append(finding(row, "failover", "warning", _next(row)))
    oldest_s = row["oldest_s"] or 0.0
    state: State = "warning" if oldest_s > QUEUE_WARNS_S else "good"
    text = (
        f"{row['waiting']} wait, the oldest for {oldest_s:.0f} s" if oldest_s else "nothing waits"
    )
    if row["resting"]:
        hour = f", {morning.words}" if morning is not None else ""
        text += f"; {row['resting']} wait for the morning, as they should{hour}"
    found.append(finding(row, "queue age", state, text))
    if row["refused"]:
        more = f". {way_in.words}. {way_in.taken.words}" if way_in is not None else ""
        found.append(finding(row, "callbacks", "bad", f"{_refused(row)}{more}", "ours"))
    elif way_in is not None:
        text = f"{way_in.words}. {way_in.taken.words}"
        told = finding(row, "callbacks", "warning", text, way_in.whose)
        found.append(replace(told, cure=way_in.advice))
    if row["held"]:
        found.append(finding(row, "held", "warning", f"{row['held']} wait for a person"))
    if row["unknown"]:
        text = f"{row['unknown']} are asked after by themselves; a person is shown what stays so"
        found.append(finding(row, "unknown", "warning", text))
    return found


def of_lately(row: Any, trouble: Trouble) -> RoomFinding:
    found = finding(row, trouble.check, trouble.state, trouble.text, trouble.whose)
    return replace(found, cure=trouble.cure_at(row["practice"], row["endpoint"]))


def _refused(row: Any) -> str:
    """What comes in and is turned away, with the likeliest reason."""
    why = _REFUSED_BECAUSE.get(row["refused_code"], "they cannot be read")
    return (
        f"{row['refused']} refused since {row['refused_since']:%Y-%m-%d %H:%M} UTC and none taken:"
        f" {why}. What they told is not known here"
    )


def look_ups(row: Any, provider: Provider, price: Price | None) -> list[RoomFinding]:
    """Whether numbers are looked up before the first text to them, how many were, and the cost."""
    if not provider.looks_up_numbers:
        return []
    if not row["looks_up_numbers"]:
        text = "off: what a number is, its first text shows (mentalspace credential look-up)"
        return [finding(row, "number look-ups", "good", text)]
    count = row["looked_up"]
    cost = f", {count * price.amount:.2f} {price.currency}" if price else ""
    text = f"on: {count} number{'s'[: count != 1]} asked about in 30 days{cost}"
    return [finding(row, "number look-ups", "good", text)]


def _next(row: Any) -> str:
    """Where what waits here goes."""
    if row["next"] is None:
        return "the practice has no second provider: what waits, waits here"
    text = f"out for {row['fail_over_after_s']:.0f} s, what waits goes on through {row['next']}"
    return f"{text}; {row['went_over']} did in the last hour" if row["went_over"] else text


def callbacks(row: Any, provider: Provider, heard: Heard) -> RoomFinding:
    """When its provider last spoke of what it took; a relay that never does is not silent."""
    if not heard.follows:
        text = f"{provider.title} never calls back: what it took is all that is known"
        return finding(row, "last callback", "good", text)
    last = f"{heard.at:%Y-%m-%d %H:%M} UTC" if heard.at else "none yet"
    if not heard.is_suspicious:
        return finding(row, "last callback", "good", last)
    return finding(row, "last callback", "warning", f"{last}: {heard.words}")


def line(
    row: Any, called: RoomFinding, touched: Touched, heard: Heard, morning: Morning | None
) -> CredentialLine:
    return CredentialLine(
        id=row["id"],
        subject=_subject(row),
        practice=row["practice"],
        live=row["live"],
        call=called,
        last_good_at=row["last_good_at"],
        breaker=row["breaker"],
        paused=row["paused"],
        waiting=row["waiting"],
        resting=row["resting"],
        oldest_s=row["oldest_s"],
        held=row["held"],
        unknown=row["unknown"],
        touched=touched,
        heard=heard,
        morning=morning,
    )


def finding(
    row: Mapping[str, Any], check: str, state: State, text: str, whose: Whose | None = None
) -> RoomFinding:
    return RoomFinding(row["integration"], _subject(row), check, state, text, whose)


def _of_room(row: Any, own: Finding) -> RoomFinding:
    return RoomFinding(
        row["integration"],
        _subject(row),
        own.check,
        own.state,
        own.text,
        own.whose,
        own.cure,
        own.publish,
    )


def _subject(row: Mapping[str, Any]) -> str:
    return f"{row['provider']}/{row['endpoint']}"
