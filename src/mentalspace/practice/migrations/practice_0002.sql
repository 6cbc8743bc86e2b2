-- How long before an appointment its client is reminded. Five leads at most, each once, from a
-- quarter of an hour to thirty days.
create function app.are_leads(leads integer[]) returns boolean language sql immutable as
  $$ select cardinality(leads) <= 5
        and cardinality(leads) = (select count(distinct lead) from unnest(leads) lead
                                   where lead between 15 and 43200) $$;

-- A practice without a row has the defaults. `revision` rises with every change of the leads;
-- `rewritten_at` is empty while coming appointments still wait to be brought up to it.
create table reminder_policy (
  practice_id     uuid primary key references practice,
  leads_min       integer[] not null default '{1440}' check (app.are_leads(leads_min)),
  cancel_before_h integer not null default 24 check (cancel_before_h between 0 and 336),
  revision        integer not null default 0,
  changed_at      timestamptz not null default clock_timestamp(),   -- real time
  rewritten_at    timestamptz
);
call app.protect('reminder_policy');
call app.oversee('reminder_policy', 'mentalspace_dispatcher');
grant select, insert, update on reminder_policy to authenticated;
grant select on reminder_policy to mentalspace_worker, mentalspace_dispatcher;

-- A client's own choice; null leads are the practice's.
alter table client
  add column reminders     boolean not null default true,
  add column reminder_leads integer[]
    check (app.are_leads(reminder_leads) and cardinality(reminder_leads) > 0);

-- `version` rises with every change the client is told of; `rewrites` when what waits is written
-- again though the client need not hear of it. Both are part of a mail's key.
alter table appointment
  add column rewrites       integer not null default 0,
  add column rules_revision integer not null default 0,
  add column confirmed_at   timestamptz,
  add column cancelled_by   text check (cancelled_by in ('client'));
create index appointment_of_client on appointment (client_id, starts_at);
-- A signed link names an appointment; whose practice it is must be known before anything else.
call app.oversee('appointment', 'mentalspace_door');
grant select (id, practice_id) on appointment to mentalspace_door;

-- Which reminder of which hour a notification is, so that no hour has one twice.
alter table appointment_notifications
  add column for_start timestamptz,
  add column lead_min  integer check (lead_min > 0);
update appointment_notifications n set for_start = a.starts_at, lead_min = 1440
  from appointment a
 where a.id = n.appointment_id and n.notification_type = 'reminder' and n.status = 'pending';
create unique index reminder_once on appointment_notifications (appointment_id, for_start, lead_min)
  where status in ('pending', 'sent');
