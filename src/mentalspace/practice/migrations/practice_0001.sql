-- People who sign in. A membership gives a role in one practice; an on-call engineer belongs to
-- the operator and has no practice.
create table app_user (
  id             uuid primary key default gen_random_uuid(),
  email          text not null,
  name           text not null,
  password_hash  text not null,
  failed_logins  integer not null default 0,
  locked_until   timestamptz,
  active         boolean not null default true,
  created_at     timestamptz not null default app.now()
);
create unique index app_user_email on app_user (lower(email));
alter table app_user enable row level security;
call app.oversee('app_user', 'mentalspace_door');
create policy self on app_user for select to authenticated using (id = (select app.user_id()));
grant select, update (failed_logins, locked_until, password_hash) on app_user to mentalspace_door;
grant select (id, email, name) on app_user to authenticated;

create table membership (
  user_id     uuid not null references app_user,
  practice_id uuid references practice,
  role        text not null check (role in
                ('administrator', 'clinician', 'biller', 'front_desk', 'client', 'oncall')),
  client_id   uuid,
  check ((role = 'oncall') = (practice_id is null)),
  check ((role = 'client') = (client_id is not null))
);
create unique index membership_once on membership (user_id, practice_id, role) nulls not distinct;
alter table membership enable row level security;
call app.oversee('membership', 'mentalspace_door');
create policy self on membership for select to authenticated using (user_id = (select app.user_id()));
grant select on membership to mentalspace_door, authenticated;

create table session (
  id_hash      bytea primary key,               -- SHA-256 of the cookie: a stolen backup opens nothing
  user_id      uuid not null references app_user,
  practice_id  uuid references practice,
  role         text not null,
  client_id    uuid,
  csrf         text not null,
  created_at   timestamptz not null default clock_timestamp(),
  seen_at      timestamptz not null default clock_timestamp(),
  ended_at     timestamptz
);
alter table session enable row level security;
call app.oversee('session', 'mentalspace_door');
grant select, insert, update on session to mentalspace_door;

-- Clients and appointments ------------------------------------------------------------------------
create table client (
  id          uuid primary key default gen_random_uuid(),
  practice_id uuid not null references practice,
  external_id text not null,
  name        text not null,
  email       text,
  phone       text,
  timezone    text,
  language    text not null default 'en',
  created_at  timestamptz not null default app.now(),
  updated_at  timestamptz not null default app.now(),
  unique (practice_id, external_id)
);
call app.protect('client');
create policy self on client for select to authenticated
  using (practice_id = (select app.practice()) and id = (select app.client_id()));
grant select, insert, update on client to authenticated;
grant select on client to mentalspace_worker;

create table appointment (
  id              uuid primary key default gen_random_uuid(),
  practice_id     uuid not null references practice,
  external_id     text not null,
  client_id       uuid not null references client,
  clinician_email text,
  starts_at       timestamptz not null,
  duration_min    integer not null check (duration_min between 1 and 1440),
  status          text not null default 'scheduled' check (status in ('scheduled', 'cancelled')),
  version         integer not null default 1,    -- rises with every change a client must hear of
  created_at      timestamptz not null default app.now(),
  updated_at      timestamptz not null default app.now(),
  drill           text,
  unique (practice_id, external_id)
);
create index appointment_by_start on appointment (practice_id, starts_at);
call app.protect('appointment');
create policy own on appointment for select to authenticated
  using (practice_id = (select app.practice()) and client_id = (select app.client_id()));
grant select, insert, update on appointment to authenticated;
grant select on appointment to mentalspace_worker;
-- On-call sees when the next appointment touched is, not whose.
call app.oversee('appointment', 'mentalspace_oncall');
call app.oversee('appointment', 'mentalspace_dispatcher');
grant select (id, practice_id, starts_at, status) on appointment
  to mentalspace_oncall, mentalspace_dispatcher;

-- The first runbook's table, as a projection of the ledger. Its columns and its three states are
-- kept; what they could not hold (reminders, what was cancelled or expired) is added.
create table appointment_notifications (
  id                uuid primary key default gen_random_uuid(),
  practice_id       uuid not null references practice,
  appointment_id    uuid not null references appointment,
  delivery_id       uuid unique references delivery,
  notification_type text not null check (notification_type in
                      ('created', 'updated', 'cancelled', 'reminder')),
  recipient_email   text not null,
  status            text not null default 'pending' check (status in
                      ('pending', 'sent', 'failed', 'cancelled', 'expired')),
  delivery_status   text,
  sent_at           timestamptz,
  delivered_at      timestamptz,
  error_message     text,
  resend_id         text,
  created_at        timestamptz not null default app.now()
);
create index appointment_notifications_sent on appointment_notifications (sent_at desc);
create index appointment_notifications_of on appointment_notifications (appointment_id);
call app.protect('appointment_notifications');
grant select, insert on appointment_notifications to authenticated, mentalspace_worker;

-- As its owner: pg_temp last, or a caller's temporary table would be found first, and its
-- triggers run with the owner's rights.
create function app.project_notification() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  update public.appointment_notifications set
    delivery_status = new.status,
    status = case
      when new.status in ('accepted', 'delivered') then 'sent'
      when new.status in ('bounced', 'refused', 'failed') then 'failed'
      when new.status in ('cancelled', 'expired') then new.status
      else 'pending' end,
    sent_at = coalesce(sent_at, new.accepted_at),
    delivered_at = case when new.status = 'delivered' then coalesce(delivered_at, app.now())
                        else delivered_at end,
    error_message = case
      when new.status in ('bounced', 'refused', 'failed', 'held', 'unknown')
      then coalesce(new.held_reason, new.last_case, new.status) end,
    resend_id = new.provider_message_id
  where delivery_id = new.id;
  return null;
end $$;
create trigger delivery_projects after update of status on delivery
  for each row when (old.status is distinct from new.status)
  execute function app.project_notification();

-- What an on-call engineer sees of it: every row of every practice, nobody's address.
create view oncall.appointment_notifications as
  select id, practice_id, appointment_id, delivery_id, notification_type,
         left(recipient_email, 1) || '***@***' as recipient_email,
         status, delivery_status, sent_at, delivered_at, error_message, resend_id, created_at
    from public.appointment_notifications;
grant select on oncall.appointment_notifications to mentalspace_oncall;

-- Tasks for people: an address to mend, an appointment nobody could be told of ----------------------
create table task (
  id          uuid primary key default gen_random_uuid(),
  practice_id uuid not null references practice,
  for_role    text not null,
  text        text not null,
  case_id     text,
  delivery_id uuid references delivery,
  client_id   uuid references client,
  state       text not null default 'open' check (state in ('open', 'done')),
  created_at  timestamptz not null default app.now(),
  done_at     timestamptz,
  done_by     uuid,
  drill       text
);
create unique index task_once on task (delivery_id, case_id);
call app.protect('task');
grant select, insert on task to mentalspace_worker;
grant select, update on task to authenticated;

-- A calendar's rows that could not be read wait here to be corrected ---------------------------------
create table import_file (
  id          uuid primary key default gen_random_uuid(),
  practice_id uuid not null references practice,
  kind        text not null check (kind in ('csv', 'ical')),
  rows_new       integer not null,
  rows_changed   integer not null,
  rows_unchanged integer not null,
  rows_bad       integer not null,
  imported_by text not null,
  created_at  timestamptz not null default app.now()
);
call app.protect('import_file');
grant select, insert on import_file to authenticated;

create table import_row (
  id          uuid primary key default gen_random_uuid(),
  practice_id uuid not null references practice,
  file_id     uuid not null references import_file,
  line        integer not null,
  raw         bytea not null,                   -- encrypted
  header      bytea not null,                   -- encrypted; what a corrected row is read with
  raw_key     text not null,                    -- keyed hash: the same bad row is kept once
  mistakes    jsonb not null,                   -- column, code, text, cure; quotes nothing private
  state       text not null default 'open' check (state in ('open', 'corrected', 'discarded')),
  created_at  timestamptz not null default app.now(),
  closed_at   timestamptz
);
create unique index import_row_once on import_row (practice_id, raw_key) where state = 'open';
call app.protect('import_row');
grant select, insert, update on import_row to authenticated;

-- Who did or read what. Append-only.
create table audit (
  id          bigint generated always as identity primary key,
  at          timestamptz not null default app.now(),
  practice_id uuid references practice,
  actor       text not null,
  action      text not null,
  subject     text,
  data        jsonb not null default '{}'
);
create trigger audit_append_only before update or delete on audit
  for each row execute function app.refuse_change();
create trigger audit_not_truncated before truncate on audit
  for each statement execute function app.refuse_change();
call app.protect('audit');
call app.oversee('audit', 'mentalspace_door');
call app.oversee('audit', 'mentalspace_oncall');
grant insert on audit to authenticated, mentalspace_door, mentalspace_oncall, mentalspace_worker;
grant select on audit to authenticated, mentalspace_oncall;
