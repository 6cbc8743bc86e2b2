"""A made-up practice: everything in it fits together, and a seed makes it again."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from mentalspace.engine.db import connect_owner
from mentalspace.integrations.email.model import Mail
from mentalspace.kernel.errors import Refused
from mentalspace.kernel.settings import Mode
from mentalspace.practice.tenancy import Owner
from mentalspace.workflows.demo_history import Made, Wanted, make_history
from tests.practice.office import Office

PASSWORD = "a-demo-password"
CLIENTS = 400
NOW = datetime(2026, 11, 25, 17, 0, tzinfo=UTC)  # a Wednesday, noon in New York

# What would be a contradiction, each with the query that finds it.
CONTRADICTIONS = {
    "a delivered mail without a good attempt": """
select d.id from delivery d where d.status = 'delivered' and not exists (
  select from attempt_delivery x join attempt a on a.id = x.attempt_id
   where x.delivery_id = d.id and a.state = 'succeeded')""",
    "a mail whose timeline is not what its state says": """
select d.id, d.status, l.kinds from delivery d join lateral (
    select array_agg(kind order by id) as kinds, min(at) as first_at, max(at) as last_at,
           bool_and(at >= before) as ordered
      from (select *, lag(at, 1, at) over (order by id) as before from timeline
             where delivery_id = d.id) t) l on true
 where l.kinds[1] <> 'delivery_created' or not l.ordered or l.first_at <> d.created_at
    or (d.status in ('accepted', 'delivered', 'bounced', 'failed')) <> ('accepted' = any (l.kinds))
    or (d.status in ('delivered', 'bounced', 'failed')) <> ('provider_event' = any (l.kinds))
    or (d.status = 'held') <> (l.kinds[cardinality(l.kinds)] in ('held', 'note')
                               and 'held' = any (l.kinds))
    or (d.status = 'expired') <> ('expired' = any (l.kinds))
    or (d.status = 'refused') <> ('refused' = any (l.kinds))
    or (d.status = 'cancelled') <> ('cancelled' = any (l.kinds) or 'given_up' = any (l.kinds))""",
    "attempts that were not counted": """
select d.id from delivery d where d.status <> 'refused' and d.attempts <> (
  select count(*) from attempt_delivery x where x.delivery_id = d.id)""",
    "time that runs backward": """
select d.id from delivery d where d.due_at < d.created_at or d.accepted_at < d.due_at
    or d.ended_at < d.accepted_at or d.ended_at > $1 or d.accepted_at > $1
    or d.expires_at <= d.due_at
union all
select a.id from attempt a where a.finished_at < a.started_at or a.finished_at > $1""",
    "a body that is missing, or is kept though it has ended": """
select id from delivery where (payload is null) <> (purged_at is not null)
    or (payload is null) = (status in ('pending', 'held', 'unknown'))""",
    "a text that is not the projection of its delivery": """
select d.id from delivery d left join notification_logs n on n.delivery_id = d.id
 where d.integration = 'sms' and (n.delivery_status is distinct from d.status
    or n.provider_message_id is distinct from d.provider_message_id
    or n.sent_date is distinct from d.accepted_at or n.recipient_phone is null
    or n.sent_successfully <> (d.status in ('accepted', 'delivered'))
    or (n.error_code is null) = (d.status in ('bounced', 'refused', 'failed'))
    or n.status <> case when d.status = 'accepted' then 'sent'
      when d.status = 'bounced' then 'undelivered'
      when d.status in ('refused', 'failed') then 'failed'
      when d.status in ('delivered', 'cancelled', 'expired') then d.status else 'pending' end)""",
    "a text at night": """
select d.id from delivery d join client c on c.id = d.client_id
  join practice p on p.id = d.practice_id
 where d.integration = 'sms' and extract(hour from
   d.accepted_at at time zone coalesce(c.timezone, p.timezone)) not between 8 and 20""",
    "a text to somebody who did not agree, or agreed without an entry": """
select d.id from delivery d join client c on c.id = d.client_id
 where d.integration = 'sms' and not exists (
   select from consent_entry e where e.client_id = c.id and e.what = 'agreed'
      and e.recipient_key = d.recipient_key and e.at <= d.created_at
      and e.at = c.text_agreed_at)""",
    "a text that failed, of which nobody was told otherwise": """
select d.id from delivery d join timeline l on l.delivery_id = d.id
 where d.integration = 'sms' and d.status in ('bounced', 'failed', 'refused')
 group by d.id having not bool_or(l.kind = 'told_by_mail' and exists (
   select from delivery m where m.id = (l.data ->> 'mail')::uuid and m.integration = 'email')
   or l.kind = 'not_told_otherwise')""",
    "a notification that is not the projection of its delivery": """
select d.id from delivery d join appointment_notifications n on n.delivery_id = d.id
 where n.delivery_status <> d.status or n.resend_id is distinct from d.provider_message_id
    or n.sent_at is distinct from d.accepted_at or n.recipient_email is null
    or n.status <> case when d.status in ('accepted', 'delivered') then 'sent'
      when d.status in ('bounced', 'refused', 'failed') then 'failed'
      when d.status in ('cancelled', 'expired') then d.status else 'pending' end""",
    "a clinician in two places": """
select a.id from appointment a join appointment b on b.clinician_email = a.clinician_email
   and b.starts_at = a.starts_at and b.id <> a.id""",
    "a bounce nobody was asked to mend": """
select d.id from delivery d where d.status = 'bounced'
   and not exists (select from task t where t.client_id = d.client_id
     and t.topic = case d.integration when 'sms' then 'phone' else 'address' end
     and t.created_at <= d.ended_at and coalesce(t.done_at, 'infinity') > d.ended_at)""",
    "a mail to somebody suppressed": """
select d.id from delivery d join suppression s on s.recipient_key = d.recipient_key
 where d.status in ('delivered', 'bounced', 'pending') and s.delivery_id <> d.id
   and coalesce(d.accepted_at, d.due_at) > s.created_at
   and coalesce(d.accepted_at, d.due_at) < coalesce(s.lifted_at, 'infinity')""",
    "a bounce for good, or a complaint, without its suppression, or one without either": """
with bad as (
  select id, practice_id, recipient_key from delivery where last_case in
    ('email.bounced', 'email.complained', 'sms.landline', 'sms.unknown_destination'))
select id from bad where not exists (
  select from suppression s
   where s.practice_id = bad.practice_id and s.recipient_key = bad.recipient_key)
union all
select s.delivery_id from suppression s
 where s.delivery_id not in (select id from bad) and s.reason <> 'opted_out'""",
}
# Everything but what is drawn anew or names rows: ids, keys, traces, seals.
DIGESTED = {
    "client": "external_id, name, email, phone, timezone, language, created_at, phone_e164,"
    " changes_by, reminders_by, text_agreed_at",
    "appointment": "external_id, clinician_email, starts_at, duration_min, status, version,"
    " created_at, updated_at",
    "delivery": "kind, status, due_at, next_attempt_at, expires_at, attempts, reconciliations,"
    " first_attempt_at, last_case, held_reason, created_at, accepted_at, ended_at,"
    " payload is null as purged",
    "attempt": "purpose, state, started_at, finished_at, evidence_kind, http, code, case_id",
    "appointment_notifications": "notification_type, recipient_email, status, delivery_status,"
    " sent_at, delivered_at, created_at, for_start, lead_min",
    "notification_logs": "recipient_phone, status, delivery_status, error_code, sent_date,"
    " delivered_at, created_at, occasion, version, for_start, lead_min",
    "consent_entry": "channel, what, reason, how, at, actor",
    "timeline": "at, kind, actor,"
    " data - array['request_id', 'appointment', 'suppression', 'mail'] as data",
    "task": "for_role, text, case_id, topic, state, created_at, done_at",
    "suppression": "case_id, reason, created_at, lifted_at",
}


@pytest.fixture
async def owner(office: Office) -> AsyncIterator[Owner]:
    async with connect_owner(office.services.admin_url) as connection:
        yield connection


async def make(office: Office, owner: Owner, wanted: Wanted, now: datetime = NOW) -> Made:
    return await make_history(office.services, owner, wanted, password=PASSWORD, now=now)


async def digest(owner: Owner, slug: str) -> dict[str, str]:
    practice_id: UUID = await owner.fetchval("select id from practice where slug = $1", slug)
    digests = {}
    for table, columns in DIGESTED.items():
        rows = await owner.fetch(
            f"select {columns} from {table} where practice_id = $1", practice_id
        )
        lines = sorted(json.dumps(dict(row), default=str, sort_keys=True) for row in rows)
        digests[table] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return digests


async def test_nothing_contradicts_itself(office: Office, owner: Owner) -> None:
    """Each mail's or text's attempts, timeline, notification and tasks tell the same story, none
    of it in the future; the share of what arrived is a good practice's."""
    now = NOW
    made = await make(office, owner, Wanted(CLIENTS, seed=7))
    assert made.clients == CLIENTS
    for what, query in CONTRADICTIONS.items():
        values = [now] if "$1" in query else []
        assert await owner.fetch(query, *values) == [], what
    rows = await owner.fetch("select status, count(*) from delivery group by 1")
    counts = Counter({row["status"]: row["count"] for row in rows})
    assert made.mails == counts.total()
    assert made.waiting == counts["pending"] + counts["held"] + counts["unknown"]
    assert counts["held"] and counts["unknown"] and counts["bounced"]
    assert await owner.fetchval(
        "select count(*) from delivery where last_case = 'email.suppressed'"
    )
    rows = await owner.fetch(
        "select coalesce(last_case, status) as met, count(*) from delivery"
        " where integration = 'sms' group by 1"
    )
    texts = {row["met"] for row in rows}
    assert {
        "delivered", "pending", "sms.suppressed", "sms.handset_unreachable", "sms.filtered",
        "sms.landline", "sms.out_of_hours",
    } < texts, texts  # fmt: skip
    assert await owner.fetchval("select count(*) from consent_entry where what = 'opted_out'")
    assert await owner.fetchval("select count(*) from suppression where lifted_at is not null")
    for integration, least in (("email", 0.97), ("sms", 0.92)):
        rate = await owner.fetchval(
            "select avg((status = 'delivered')::int) from delivery where integration = $1"
            " and status in ('delivered', 'bounced', 'failed', 'refused')",
            integration,
        )
        assert least < rate < 1, (integration, rate)
    starts = await owner.fetchrow("select min(starts_at), max(starts_at) from appointment")
    assert now - timedelta(days=91) < starts["min"] < now - timedelta(days=80)
    assert now + timedelta(days=20) < starts["max"] < now + timedelta(days=31)


async def test_a_seed_makes_the_same_again(office: Office, owner: Owner) -> None:
    """Two practices of one seed are alike but for their ids; one of another seed is not; asked
    for again nothing is added, asked for more only what is missing."""
    for slug, seed in (("one", 7), ("two", 7), ("other", 8)):
        await make(office, owner, Wanted(60, seed, slug, trouble=False))
    one = await digest(owner, "one")
    assert one == await digest(owner, "two")
    assert not set(one.values()) & set((await digest(owner, "other")).values())
    again = await make(office, owner, Wanted(60, 7, "one", trouble=False), NOW + timedelta(days=1))
    assert (again.clients, again.appointments, again.mails) == (0, 0, 0)
    assert await digest(owner, "one") == one
    more = await make(office, owner, Wanted(100, 7, "one", trouble=False))
    assert more.clients == 40
    await make(office, owner, Wanted(100, 7, "three", trouble=False))
    assert await digest(owner, "one") == await digest(owner, "three")


async def test_what_waits_is_a_real_mail(office: Office, owner: Owner) -> None:
    """A coming reminder opens to the mail that the practice itself would have written: to its
    client, in their language, for the lane it waits in."""
    await make(office, owner, Wanted(30, 7, "one"))
    rows = await owner.fetch(
        "select d.practice_id, d.payload, d.kind, d.idempotency_key, l.class, k.email, k.language,"
        " d.due_at, a.starts_at from delivery d join lane l on l.id = d.lane_id"
        " join client k on k.id = d.client_id join appointment a on a.id = d.subject_id"
        " where d.status = 'pending' and d.attempts = 0 and d.integration = 'email'"
    )
    assert rows
    for row in rows:
        mail = Mail.from_bytes(
            office.services.vault.open(row["practice_id"], "delivery", row["payload"])
        )
        assert (mail.kind, mail.to, row["class"]) == ("reminder", row["email"], "bulk")
        assert mail.subject.startswith("Recordatorio" if row["language"] == "es" else "Reminder")
        assert not mail.findings()
        assert row["due_at"] < row["starts_at"]


async def test_production_makes_nobody_up(office: Office, owner: Owner) -> None:
    """In production it is refused before anything is written."""
    settings = replace(office.services.settings, mode=Mode.PRODUCTION)
    services = replace(office.services, settings=settings)
    with pytest.raises(Refused):
        await make_history(
            services, owner, Wanted(1, 7), password=PASSWORD, now=services.clock.now()
        )
    assert await owner.fetchval("select count(*) from client") == 0
