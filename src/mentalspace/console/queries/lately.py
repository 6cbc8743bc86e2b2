"""What changed in the last two hours, and which pages were sent: what a person asks first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection

HOURS = 2
MOST = 12
# What was done often is one line; so many deeds of a kind are read.
_READ = 200
PAGES = 8

_SINCE = f"coalesce($1::timestamptz, app.now() - interval '{HOURS} hours')"
_UNTIL = "coalesce($3::timestamptz, 'infinity')"

# A person's button at a credential or an incident; a drill's are nobody's news.
_ACTS = f"""
select t.at, t.data ->> 'title' as what, t.actor as who, t.data ->> 'reason' as reason,
       t.data ->> 'act' in ('secret', 'bring_back') as entered,
       coalesce(l.credential_id, i.credential_id) as credential_id, t.incident_id
  from timeline t left join lane l on l.id = t.lane_id left join incident i on i.id = t.incident_id
 where t.kind = 'acted' and t.drill is null and t.at > {_SINCE} and t.at <= {_UNTIL}
 order by t.at desc limit $2
"""
_SECRETS = f"""
select coalesce(c.rotated_at, c.created_at) as at,
       case when c.rotated_at is null then 'Credential set' else 'New secret entered' end as what,
       c.id as credential_id
  from credential c
 where c.active and c.drill is null
   and coalesce(c.rotated_at, c.created_at) > {_SINCE}
   and coalesce(c.rotated_at, c.created_at) <= {_UNTIL}
   and not exists (select from practice p where p.id = c.practice_id and p.is_drill)
 order by 1 desc limit $2
"""
_AUDIT = f"""
select a.at, a.action as what, a.actor as who, a.subject, a.practice_id
  from audit a where a.at > {_SINCE} and a.at <= {_UNTIL} and a.action = any ($4)
 order by a.id desc limit $2
"""
_SILENCES = f"""
select created_at as at, 'Silenced a rule' as what, created_by as who, reason from alert_silence
 where created_at > {_SINCE} and created_at <= {_UNTIL}
 union all
select lifted_at, 'Lifted a silence', lifted_by, reason from alert_silence
 where lifted_at > {_SINCE} and lifted_at <= {_UNTIL}
 order by 1 desc limit $2
"""
# As they stand in the audit.
SETTINGS = (
    "agreement_recorded",
    "agreement_revoked",
    "credential_set",
    "look_up_begun",
    "look_up_ended",
    "mail_text_changed",
    "reminders.changed",
    "test_mode_begun",
    "test_mode_ended",
)
_NAMES = """
select c.id, c.integration, c.provider, c.endpoint, p.name as practice_name
  from credential c join practice p on p.id = c.practice_id where c.id = any ($1)
"""
_PRACTICES = "select id, name from practice where id = any ($1)"
# Who was paged at once for one incident stands in one line, with the worst of its ends.
_PAGES = """
select max(pg.created_at) as created_at, max(pg.sent_at) as sent_at,
       string_agg(distinct pg.meant, ', ' order by pg.meant) as whom,
       case when bool_or(pg.state = 'failed') then 'failed'
            when bool_or(pg.state = 'pending') then 'pending' else 'sent' end as state,
       i.id as incident_id, i.title, i.status, i.acknowledged_by, i.resolved_by
  from page pg join incident i on i.id = pg.incident_id
 where i.drill is null and ($1::uuid is null or i.practice_id = $1)
   and pg.created_at > app.now() - interval '24 hours'
 group by i.id, pg.step order by 1 desc limit $2
"""


@dataclass(frozen=True, slots=True)
class Change:
    """`what` is a sentence's beginning or a deed of the audit; `who` is None where nobody wrote it
    down. `credential` is where, with its names. Done `count` times by them, it is the last."""

    at: datetime
    what: str
    who: str | None = None
    reason: str | None = None
    credential: Any | None = None
    practice: str | None = None
    incident_id: UUID | None = None
    count: int = 1


async def read_changes(
    connection: Connection,
    since: datetime | None = None,
    until: datetime | None = None,
    is_wanted: Callable[[Change], bool] = lambda _change: True,
) -> list[Change]:
    """The latest first, each deed of each person once, as whoever asks may see them; of the last
    two hours unless they say of when."""
    bounds = since, _READ, until
    acts = await connection.fetch(_ACTS, *bounds)
    secrets = await connection.fetch(_SECRETS, *bounds)
    noted = await connection.fetch(_AUDIT, *bounds, list(SETTINGS))
    # What a button did, in the same breath, is told with its reason.
    pressed = {row["at"] for row in acts}
    noted = [r for r in noted if r["what"] != "test_mode_ended" or r["at"] not in pressed]
    silences = await connection.fetch(_SILENCES, *bounds)
    setters = {row["subject"]: row["who"] for row in noted if row["what"] == "credential_set"}
    # What replaced another is an act already, with who entered what.
    told = {row["credential_id"] for row in acts if row["entered"]}
    secrets = [row for row in secrets if row["credential_id"] not in told]
    ids = [row["credential_id"] for row in (*acts, *secrets) if row["credential_id"]]
    names = {row["id"]: row for row in await connection.fetch(_NAMES, ids)}
    practice_ids = [row["practice_id"] for row in noted if row["practice_id"]]
    practices = {r["id"]: r["name"] for r in await connection.fetch(_PRACTICES, practice_ids)}
    changes = [
        *(
            Change(row["at"], row["what"], row["who"], row["reason"] or None,
                   names.get(row["credential_id"]), incident_id=row["incident_id"])
            for row in acts
        ),
        *(
            Change(row["at"], row["what"], setters.get(str(row["credential_id"])),
                   credential=names.get(row["credential_id"]))
            for row in secrets
        ),
        *(
            Change(row["at"], row["what"], _by_name(row["who"]),
                   practice=practices.get(row["practice_id"]))
            for row in noted if row["what"] != "credential_set"
        ),
        *(Change(row["at"], row["what"], row["who"], row["reason"]) for row in silences),
    ]  # fmt: skip
    return grouped(one for one in changes if is_wanted(one))[:MOST]


def _by_name(who: str) -> str | None:
    """Whoever was logged in on the host; a person of the console stands in the audit by an id."""
    return who if who.endswith("(command line)") else None


def grouped(changes: Iterable[Change]) -> list[Change]:
    """One person's deeds of one kind as the latest of them, with their number; the latest first."""
    latest: dict[tuple[str, str | None], Change] = {}
    for one in sorted(changes, key=lambda one: one.at, reverse=True):
        key = (one.what, one.who)
        known = latest.get(key)
        latest[key] = one if known is None else replace(known, count=known.count + 1)
    return list(latest.values())


async def read_last_pages(connection: Connection, practice_id: UUID | None) -> list[Any]:
    """Of a day, the latest first; of one practice's incidents, or of all. Runs as on-call."""
    return list(await connection.fetch(_PAGES, practice_id, PAGES))
