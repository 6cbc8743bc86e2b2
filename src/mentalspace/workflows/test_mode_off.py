"""Switches a credential's test mode off from its incident: what that would do, and doing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mentalspace.engine.credentials import set_test_only
from mentalspace.engine.person import PERSON
from mentalspace.engine.remedy.act import reason_of
from mentalspace.engine.services import Services
from mentalspace.engine.watch.refused import cases_of_tests
from mentalspace.kernel.errors import Refused
from mentalspace.practice.audit import note
from mentalspace.workflows.former_secret import Wish, as_owner, tell

ACT = "test_mode_off"
TITLE = "Switch test mode off"
_DONE = "Test mode switched off"
_OFF = "Test mode is off already."
_MOST_HOURS = 8

_ONE = """
select i.id as incident_id, i.status = 'resolved' as resolved, c.id, c.practice_id, c.integration,
       c.provider, c.endpoint, c.test_only, p.name as practice_name, begun.*,
       (select string_agg(distinct coalesce(l.paused_by, 'the runbook'), ', ') from lane l
         where l.credential_id = c.id and l.state = 'paused') as paused_by
  from incident i join credential c on c.id = i.credential_id
  join practice p on p.id = c.practice_id
  left join lateral (select * from app.test_mode_begun(c.id)) begun on true
 where i.id = $1 and c.active and c.drill is null
"""
# What is due by then leaves at once; the others in the hour in which they fall due.
_LEAVES = f"""
with soon as (
  select d.due_at <= app.now() as at_once, date_trunc('hour', d.due_at) as hour,
         {PERSON} as person
    from delivery d
   where d.credential_id = $1 and d.status in ('pending', 'due') and d.drill is null
     and coalesce(d.expires_at > app.now(), true)
     and d.due_at <= app.now() + interval '24 hours')
select case when at_once then null else hour end as hour, count(*) as messages,
       (select count(distinct person) from soon) as people
  from soon group by 1 order by 1 nulls first
"""
_REFUSED = f"""
select count(distinct {PERSON}) from delivery d
 where d.credential_id = $1 and d.status = 'refused' and d.last_case = any ($2)
   and d.drill is null and d.ended_at > app.now() - interval '24 hours'
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What switching it off would do now; `refusal` says why it cannot be done, and then `would`
    is empty. `row` is the credential with its practice's name."""

    row: Any
    refusal: str | None
    would: tuple[str, ...]
    numbers: Mapping[str, int]
    title: str = TITLE


async def look_at_test_mode(services: Services, incident_id: UUID) -> Look:
    """Changes nothing. Raises Refused where no credential is behind the incident."""
    async with services.database.as_oncall() as connection:
        row = await connection.fetchrow(_ONE, incident_id)
        if row is None:
            raise Refused("no_such_credential", "no credential is behind it")
        if (refusal := _refusal(row)) is not None:
            return Look(row, refusal, (), {})
        leaves = await connection.fetch(_LEAVES, row["id"])
        cases = cases_of_tests(services.runbooks.room(row["integration"]).cases)
        refused = await connection.fetchval(_REFUSED, row["id"], cases)
    numbers = {
        "messages": sum(each["messages"] for each in leaves),
        "people": leaves[0]["people"] if leaves else 0,
        "refused": refused,
    }
    return Look(row, None, tuple(_would(row, leaves, numbers)), numbers)


async def switch_off(services: Services, incident_id: UUID, wish: Wish) -> None:
    """Everybody is reached by it again. Raises Refused, and then nothing has changed: without a
    reason, or if it is off or the incident closed."""
    reason = reason_of(wish.reason, needed=True)
    looked = await look_at_test_mode(services, incident_id)
    row = looked.row
    async with as_owner(services, wish.claims) as owner:
        # Of two who press at once the second is told that it is done.
        still = await owner.fetchval(
            "select test_only from credential where id = $1 for update", row["id"]
        )
        if looked.refusal is not None or not still:
            raise Refused("not_now", looked.refusal or _OFF)
        await set_test_only(owner, row["integration"], row["endpoint"], False)
        what = f"{row['integration']} {row['provider']}"
        await note(owner, wish.actor, "test_mode_ended", practice_id=row["practice_id"], what=what)
        await tell(owner, row, wish, ACT, _DONE, reason)


def _refusal(row: Any) -> str | None:
    if row["resolved"]:
        return "The incident is closed."
    return None if row["test_only"] else _OFF


def _would(row: Any, leaves: Sequence[Any], numbers: Mapping[str, int]) -> list[str]:
    said = [_leaving(leaves, numbers)]
    if numbers["refused"]:
        said.append(
            f"Nothing is sent again to the {_people(numbers['refused'])} refused in the last 24"
            " hours: what was refused stays so."
        )
    if row["paused_by"]:
        said.append(
            f"{row['paused_by']} has paused lanes of it: what waits there stays until they"
            " are resumed."
        )
    if row["began_at"]:
        how = "switched on" if row["by_hand"] else "on since it was stored"
        said.append(
            f"It was {how} {row['began_at']:%Y-%m-%d %H:%M} UTC by {row['began_by']}, who"
            " can say whether it is meant."
        )
    said.append("It can be switched on again at the command line, without --off.")
    return said


def _leaving(leaves: Sequence[Any], numbers: Mapping[str, int]) -> str:
    if not leaves:
        return "Nobody has anything due in the next 24 hours; what falls due later goes out."
    when = [
        f"{each['messages']:,} {'at once' if each['hour'] is None else _hour(each['hour'])}"
        for each in leaves[:_MOST_HOURS]
    ]
    if later := sum(each["messages"] for each in leaves[_MOST_HOURS:]):
        when.append(f"{later:,} later")
    messages = numbers["messages"]
    return (
        f"{messages:,} message{'' if messages == 1 else 's'} to {_people(numbers['people'])} would"
        f" leave by it in the next 24 hours: {', '.join(when)}."
    )


def _hour(moment: Any) -> str:
    return f"from {moment:%H:%M} UTC on"


def _people(number: int) -> str:
    return f"{number:,} {'person' if number == 1 else 'people'}"
