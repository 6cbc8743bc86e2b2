"""What is over is told calmly, and what has just begun stands above it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import pytest

from mentalspace.cli.doctor import screen
from mentalspace.workflows.doctor.examine import examine
from tests.console.stage import Owner, Stage
from tests.console.test_doors import visitor

pytestmark = pytest.mark.database

# So many messages of a credential, each to another person and tried once at that moment.
_TRIED = """
with made as (
  insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
    idempotency_key, traceparent, status, attempts, created_at, due_at, next_attempt_at,
    accepted_at, ended_at, last_case)
  select l.practice_id, l.id, l.credential_id, l.integration, 'reminder', x.name || n,
         x.name || '/' || n, '00-0-0-00', x.status, 1, x.at, x.at, app.now() + interval '1 min',
         case when x.status = 'delivered' then x.at end,
         case when x.status in ('delivered', 'failed') then x.at end,
         case when x.status <> 'delivered' then l.integration || '.server_error' end
    from (select $2::text as name, $3::text as status, app.now() - $4::interval as at) x
   cross join generate_series(1, $5) n
    join lane l on l.credential_id = $1 and l.class = 'interactive'
  returning *
), tried as (
  insert into attempt (id, practice_id, lane_id, credential_id, integration, state,
    idempotency_key, worker, deadline_s, started_at, finished_at, case_id, fault, traceparent)
  select id, practice_id, lane_id, credential_id, integration,
         case when status = 'delivered' then 'succeeded' else 'failed' end, idempotency_key, 'w',
         10, created_at, created_at, last_case,
         case when status <> 'delivered' then 'theirs' end, '00-0-0-00' from made
  returning id, practice_id
)
insert into attempt_delivery (attempt_id, delivery_id, practice_id)
select id, id, practice_id from tried
"""
_OVER = """
insert into incident (key, rule_id, case_id, integration, credential_id, practice_id, severity,
  title, fault, since, opened_at, ack_due_at, recovered_at, facts)
select 'out', 'email.consecutive_failures', 'email.server_error', 'email', id, practice_id, 'high',
       'Five mails in a row failed', 'theirs', app.now() - interval '3 hours',
       app.now() - interval '3 hours', app.now() - interval '2 hours',
       app.now() - interval '2 hours', '{}' from credential where id = $1
"""
# The stage's own trouble is another test's.
_CLEARED = """
set session_replication_role = replica;
delete from page; delete from incident;
update lane set state = 'open', paused_at = null, paused_by = null, paused_case = null;
update delivery set status = 'cancelled' where status in ('pending', 'held');
delete from attempt where fault is not null;
update heartbeat set beat_at = app.now();
"""
_WHOSE = """
select p.slug || '/' || c.integration as whose, c.id from credential c
  join practice p on p.id = c.practice_id where c.provider in ('resend', 'twilio')
"""


async def _tried(owner: Owner, id_: UUID, status: str, ago: timedelta, number: int) -> None:
    await owner.execute(_TRIED, id_, f"{status}-{ago}", status, ago, number)


async def _night(stage: Stage) -> Mapping[str, UUID]:
    """Lakeside's mails were out from three hours ago to two; Mesa's texts fail since three minutes,
    and nine of them are held since the afternoon."""
    owner = stage.owner
    await owner.execute(_CLEARED)
    ids = {row["whose"]: row["id"] for row in await owner.fetch(_WHOSE)}
    mails, texts = ids["lakeside/email"], ids["mesa/sms"]
    for hours in (0.1, 0.5, 1, 4, 5, 6):
        await _tried(owner, mails, "delivered", timedelta(hours=hours), 8)
        await _tried(owner, texts, "delivered", timedelta(hours=hours), 8)
    await _tried(owner, mails, "failed", timedelta(hours=2, minutes=5), 30)
    await _tried(owner, texts, "held", timedelta(hours=9), 9)
    await _tried(owner, texts, "pending", timedelta(minutes=3), 5)
    await owner.execute(_OVER, mails)
    await owner.execute("reset session_replication_role")
    return ids


async def _fleet(stage: Stage) -> tuple[str, dict[str, str]]:
    """The page, and the card of each practice's mails or texts."""
    async with visitor(stage, "oncall") as http, http.get("/") as answer:
        page = await answer.text()
    cards: dict[str, str] = {}
    for card in page.split("<article ")[1:]:
        room = "email" if ">Email <" in card else "sms" if ">SMS <" in card else "other"
        slug = "lakeside" if "Lakeside Counseling, credential <code>default<" in card else "mesa"
        cards.setdefault(f"{slug}/{room}", card.split("</article>")[0])
    return page, cards


async def test_what_has_just_begun_stands_above_what_is_over(stage: Stage) -> None:
    """On the fleet nothing of the outage is loud any more, nobody is overdue for it, and its day is
    told with the last failure; five texts of three minutes ago are the first thing that is read."""
    ids = await _night(stage)
    page, cards = await _fleet(stage)
    assert "1 incident is over, and not closed" in page
    begun = page.index("SMS, Mesa Family Practice</a>: <b>Failing</b>")
    assert page.index("Nobody was paged yet of this:") < begun
    assert begun < page.index("Five mails in a row failed")
    assert "data-deadline" not in page and "Nobody has it" in page
    assert '<span class="count ">1<span' in page, "the menu counts it, and is not alarmed"
    over, fresh = cards["lakeside/email"], cards["mesa/sms"]
    assert "off target in 24 h, and not now: the last failure was at" in over
    assert "Off target in 24 h" not in over and "Recovered" in over
    assert "Off target in 24 h" in fresh
    await _tried(stage.owner, ids["lakeside/email"], "pending", timedelta(minutes=1), 1)
    _page, cards = await _fleet(stage)
    assert "Off target in 24 h" in cards["lakeside/email"], "it fails again"


async def test_who_was_left_behind_before_is_not_counted_into_the_present(stage: Stage) -> None:
    """Five wait for the texts that fail now; nine are held since the afternoon, and are told apart
    on the card and on the doctor's screen, until the trouble is one incident that began before."""
    ids = await _night(stage)
    _page, cards = await _fleet(stage)
    apart = '<dd><b>5</b>, no appointment ahead <span class="quiet">(and 9 left behind by older'
    assert apart in cards["mesa/sms"]
    [report] = await examine(stage.services, "sms", practice_id=stage.mesa)
    assert "5 people are not reached" in screen(report)
    assert "9 people were left behind by older trouble, since" in screen(report)
    await stage.owner.execute(
        "update incident set recovered_at = null, credential_id = $1, since = app.now() -"
        " interval '10 hours'",
        ids["mesa/sms"],
    )
    _page, cards = await _fleet(stage)
    assert "<dd><b>14</b>, no appointment ahead</dd>" in cards["mesa/sms"]
