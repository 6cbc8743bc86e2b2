"""Silences: what is known to be broken for a while wakes nobody, and is watched all the same.

A silenced rule is evaluated and shown as ever, and opens no incident. If it still holds when the
silence ends, the incident opens then. Every silence ends, by itself and soon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import Runbooks
from mentalspace.engine.watch.look import Subject
from mentalspace.kernel.errors import Refused

LONGEST = timedelta(days=7)
LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Silence:
    """What it is about: a rule, an integration, a practice, or several of them at once."""

    id: UUID
    rule_id: str | None
    integration: str | None
    practice_id: UUID | None
    reason: str
    created_by: str
    created_at: datetime
    until_at: datetime
    lifted_at: datetime | None
    lifted_by: str | None
    practice_name: str | None = None

    def covers(self, integration: str, rule_id: str, practice_id: UUID | None) -> bool:
        met = dict(zip(_ABOUT, (rule_id, integration, practice_id), strict=True))
        return all(getattr(self, name) in (None, met[name]) for name in _ABOUT)


@dataclass(frozen=True, slots=True)
class NewSilence:
    rule_id: str | None
    integration: str | None
    practice_id: UUID | None
    reason: str
    lasts: timedelta


# What a silence may be about; left open it is about any.
_ABOUT = ("rule_id", "integration", "practice_id")
_STANDS = "s.lifted_at is null and s.until_at > app.now()"
_SILENCES = """
select s.id, s.rule_id, s.integration, s.practice_id, s.reason, s.created_by, s.created_at,
       s.until_at, s.lifted_at, s.lifted_by, p.name as practice_name
  from alert_silence s left join practice p on p.id = s.practice_id
"""
_STANDING = f"{_SILENCES} where {_STANDS} order by s.until_at"
# A page of the same: after an instant and an id, if any, so many.
_PAGE = f"""
{_SILENCES} where {_STANDS}
   and ($1::timestamptz is null or (s.until_at, s.id) > ($1, $2::uuid))
 order by s.until_at, s.id limit $3
"""
_RECENT = f"{_SILENCES} where not ({_STANDS}) order by s.created_at desc limit 50"
_ADD = """
insert into alert_silence (rule_id, integration, practice_id, reason, created_by, until_at)
values ($1, $2, $3, $4, $5, app.now() + $6) returning id
"""
_LIFT = f"""
update alert_silence s set lifted_at = app.now(), lifted_by = $2
 where id = $1 and {_STANDS} returning true
"""
# Until when incident `i` pages nobody further, be it open or acknowledged; null if it may.
SILENCED_UNTIL = f"""
(select max(s.until_at) from alert_silence s
  where i.drill is null and {_STANDS}
    and {" and ".join(f"(s.{name} is null or s.{name} = i.{name})" for name in _ABOUT)})
"""


async def standing_silences(connection: Connection) -> list[Silence]:
    """Those that hold now, the next to end first."""
    return [_silence(row) for row in await connection.fetch(_STANDING)]


async def page_of_silences(
    connection: Connection, after_at: datetime | None, after_id: UUID | None, number: int
) -> list[Any]:
    """Rows of so many that hold now, after the one that ends then, the next to end first."""
    return list(await connection.fetch(_PAGE, after_at, after_id, number))


async def past_silences(connection: Connection) -> list[Silence]:
    """The latest that ended or were lifted."""
    return [_silence(row) for row in await connection.fetch(_RECENT)]


def is_silenced(
    silences: Sequence[Silence], integration: str, rule_id: str, subject: Subject
) -> bool:
    """A drill is never silenced: its rule has to fire."""
    return subject.drill is None and any(
        each.covers(integration, rule_id, subject.practice_id) for each in silences
    )


async def add_silence(
    connection: Connection, runbooks: Runbooks, new: NewSilence, actor: str
) -> UUID:
    """Runs as on-call. Raises Refused for one that is about nothing, for ever, or for no reason."""
    if new.rule_id is None and new.integration is None and new.practice_id is None:
        raise Refused("silence_of_everything", "say which rule, integration or practice is meant")
    if not timedelta(0) < new.lasts <= LONGEST:
        raise Refused("silence_too_long", f"a silence lasts at most {LONGEST.days} days")
    if not 0 < len(new.reason.strip()) <= LONGEST_REASON:
        raise Refused("silence_without_reason", "say why, for whoever is on call next")
    await _exists(connection, runbooks, new)
    about = (new.rule_id, new.integration, new.practice_id)
    silence_id: UUID = await connection.fetchval(_ADD, *about, new.reason.strip(), actor, new.lasts)
    return silence_id


async def _exists(connection: Connection, runbooks: Runbooks, new: NewSilence) -> None:
    """One about what there is not would look like a silence, and keep nothing quiet."""
    if new.rule_id is not None and new.rule_id not in {rule.id for rule in runbooks.alerts}:
        raise Refused("no_such_rule", f"there is no rule {new.rule_id!r}")
    rooms = [room.room for room in runbooks.rooms]
    if new.integration is not None and new.integration not in rooms:
        raise Refused("no_such_room", f"the integrations are {', '.join(rooms)}")
    if new.practice_id is not None and not await connection.fetchval(
        "select exists (select from practice where id = $1 and not is_drill)", new.practice_id
    ):
        raise Refused("no_such_practice", "there is no practice of that id")


async def lift_silence(connection: Connection, silence_id: UUID, actor: str) -> bool:
    """It ends now, and what it kept quiet goes on. False if it has ended already."""
    return await connection.fetchval(_LIFT, silence_id, actor) is not None


def _silence(row: Any) -> Silence:
    return Silence(**dict(row))
