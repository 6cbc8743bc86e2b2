"""What became of the messages that a provider took in the last hour: one count, whoever tells it.

Every one of them is counted once, so that what a card, an incident and the doctor say adds up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.overdue import OVERDUE_AFTER_S
from mentalspace.engine.rates_sql import SETTLED
from mentalspace.engine.unheard import STAYS_DAYS, UNHEARD

_HOUR = "interval '1 hour'"
# $2 are the cases that are the recipients' own. What a question of ours moved was told by nobody
# else until then; of few is it asked, for few are asked after.
_READ = f"""
select d.credential_id, count(*) filter (where d.status = 'delivered') as delivered,
       count(*) filter (where d.ended and not d.recipients) as lost,
       count(*) filter (where d.ended and d.recipients) as recipient,
       count(*) filter (where d.status <> 'accepted' and d.was_asked and exists (
         select from timeline t where t.delivery_id = d.id and t.kind = 'provider_event'
            and t.data ->> 'heard' = 'asked' and t.data ->> 'moved_to' = d.status)) as by_asking,
       count(*) filter (where d.status = 'accepted' and d.was_asked) as asked,
       count(*) filter (where d.status = 'accepted' and not d.was_asked and d.is_old) as unasked,
       count(*) filter (where d.status = 'accepted' and not d.was_asked and not d.is_old) as young
  from (select d.id, d.credential_id, d.status, d.status in ('bounced', 'failed') as ended,
               d.status = 'bounced' or coalesce(d.last_case = any ($2), false) as recipients,
               d.questions > 0 or q.delivery_id is not null as was_asked,
               {SETTLED} <= app.now() - {OVERDUE_AFTER_S} * interval '1 s' as is_old
          from credential c join delivery d on d.credential_id = c.id
          left join callback_question q on q.delivery_id = d.id
         where c.id = any ($1) and d.drill is not distinct from c.drill
           and {SETTLED} > app.now() - {_HOUR}
           and (d.accepted_at is not null or d.status in ('delivered', 'bounced'))) d
 group by 1
"""
# Still asked after, or asked after in vain.
_BEFORE = f"""
select credential_id, count(*) as number from delivery d
 where credential_id = any ($1) and status = 'accepted' and drill is null
   and (ask_at is not null or {UNHEARD.strip()})
   and accepted_at between app.now() - interval '{STAYS_DAYS} days' and app.now() - {_HOUR}
 group by 1
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """Of the last hour: `delivered`, `lost` and not brought, or that by the `recipient`'s fault;
    `by_asking` of these are known because we asked. Nothing is heard of those `asked` after without
    an end, of the `unasked` that are overdue, and of the `young`. `before` are older ones that
    nothing is heard of."""

    delivered: int = 0
    lost: int = 0
    recipient: int = 0
    by_asking: int = 0
    asked: int = 0
    unasked: int = 0
    young: int = 0
    before: int = 0

    def __add__(self, other: Taken) -> Taken:
        return Taken(
            *(getattr(self, name) + getattr(other, name) for name in Taken.__dataclass_fields__)
        )

    @property
    def not_brought(self) -> int:
        return self.lost + self.recipient

    @property
    def heard(self) -> int:
        return self.delivered + self.not_brought

    @property
    def overdue(self) -> int:
        return self.asked + self.unasked

    @property
    def quiet(self) -> int:
        """Nothing is heard of so many yet."""
        return self.overdue + self.young

    @property
    def number(self) -> int:
        return self.heard + self.quiet

    @property
    def words(self) -> str:
        """`42 taken in the last hour: 30 delivered, 2 not brought, 10 not heard of yet`, and how
        each of these parts divides; sentences, the last without its full stop."""
        return ". ".join(
            each for each in (self._whole, self._by_asking, self._overdue, self._before) if each
        )

    @property
    def _whole(self) -> str:
        if not self.number:
            return "Nothing was taken in the last hour"
        fault = f" ({self.recipient:,} by the recipient’s fault)" if self.recipient else ""
        parts = [
            f"{self.delivered:,} delivered",
            *([f"{self.not_brought:,} not brought{fault}"] if self.not_brought else []),
            *([f"{self.quiet:,} not heard of yet"] if self.quiet else []),
        ]
        return f"{self.number:,} taken in the last hour: {', '.join(parts)}"

    @property
    def _by_asking(self) -> str:
        if not self.by_asking:
            return ""
        return (
            f"Of the {self.heard:,} heard of, {self.heard - self.by_asking:,} without a question of"
            f" ours and {self.by_asking:,} because we asked"
        )

    @property
    def _overdue(self) -> str:
        if not self.overdue:
            return ""
        minutes = f"{OVERDUE_AFTER_S / 60:.0f} min"
        return (
            f"Of the {self.quiet:,} not heard of, {self.young:,} not yet {minutes} old and"
            f" {self.overdue:,} overdue: {self.asked:,} asked after without an end so far,"
            f" {self.unasked:,} not asked after yet"
        )

    @property
    def _before(self) -> str:
        if not self.before:
            return ""
        are = "is" if self.before == 1 else "are"
        return f"{self.before:,} taken before that hour {are} not heard of either"


async def read_taken(
    connection: Connection,
    credential_ids: Sequence[UUID],
    recipient_cases: Sequence[str],
    silent_ids: Sequence[UUID] = (),
) -> Mapping[UUID, Taken]:
    """By credential; whoever took nothing has no entry. Of those that are silent the older ones as
    well. As on-call, or as a person, of what they may see."""
    rows = await connection.fetch(_READ, list(credential_ids), list(recipient_cases))
    before: Mapping[UUID, int] = {}
    if silent_ids:
        older = await connection.fetch(_BEFORE, list(silent_ids))
        before = {row["credential_id"]: row["number"] for row in older}
    found: dict[UUID, Any] = {row["credential_id"]: dict(row) for row in rows}
    return {
        id_: Taken(**_counts(found.get(id_, {})), before=before.get(id_, 0))
        for id_ in {*found, *before}
    }


def _counts(row: Mapping[str, Any]) -> dict[str, int]:
    return {name: number for name, number in row.items() if name != "credential_id"}
