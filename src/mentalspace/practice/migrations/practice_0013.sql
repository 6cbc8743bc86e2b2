-- Where a client's telephone rings: as typed in `phone`, as it is dialled here. `phone_problem` is
-- a code for why it cannot be dialled. Which way news comes is the client's choice; by text only
-- once somebody wrote down that the client agreed.
alter table client
  add column phone_e164       text check (phone_e164 ~ '^\+[1-9][0-9]{6,14}$'),
  add column phone_kind       text check (phone_kind in
                                ('mobile', 'landline', 'voip', 'either', 'unknown')),
  add column phone_problem    text,
  add column phone_checked_at timestamptz,
  add column reminders_by     text not null default 'email'
                                check (reminders_by in ('email', 'text', 'both')),
  add column changes_by       text not null default 'email'
                                check (changes_by in ('email', 'text', 'both')),
  add column text_agreed_at   timestamptz,
  add column text_falls_back  boolean not null default true,
  add constraint client_agreed_to_texts check
    (text_agreed_at is not null or (reminders_by = 'email' and changes_by = 'email'));
create index client_of_number on client (practice_id, phone_e164) where phone_e164 is not null;

-- Whether the practice texts at all.
alter table reminder_policy add column texts boolean not null default true;

-- The second runbook's table, as a projection of the ledger: the original's columns, and what its
-- query asks for besides. What a text says stays sealed in the ledger.
create table notification_logs (
  id                  uuid primary key default gen_random_uuid(),
  practice_id         uuid not null references practice,
  rule_id             uuid,
  recipient_id        uuid,
  recipient_type      text not null default 'Client' check (recipient_type in ('User', 'Client')),
  recipient_email     text,
  recipient_phone     text,
  notification_type   text not null check (notification_type in ('email', 'sms', 'alert')),
  message_content     text,
  message_subject     text,
  sent_date           timestamptz,
  sent_successfully   boolean not null default false,
  error_message       text,
  opened              boolean not null default false,
  opened_date         timestamptz,
  clicked             boolean not null default false,
  clicked_date        timestamptz,
  related_entity_type text,
  related_entity_id   uuid,
  metadata            jsonb not null default '{}',
  -- the superset
  status              text not null default 'pending' check (status in
                        ('pending', 'sent', 'delivered', 'undelivered', 'failed', 'cancelled',
                         'expired')),
  created_at          timestamptz not null default app.now(),
  provider_message_id text,
  delivered_at        timestamptz,
  error_code          text,
  -- ours
  delivery_id         uuid unique references delivery,
  delivery_status     text,
  appointment_id      uuid references appointment,
  occasion            text check (occasion in ('created', 'updated', 'cancelled', 'reminder')),
  version             integer,
  for_start           timestamptz,
  lead_min            integer check (lead_min > 0)
);
create index notification_logs_recent on notification_logs (created_at desc);
create index notification_logs_of on notification_logs (appointment_id);
create index notification_logs_to on notification_logs (practice_id, recipient_phone);
-- No hour is told of by text twice for one lead.
create unique index text_reminder_once on notification_logs
  (appointment_id, for_start, lead_min, notification_type)
  where status in ('pending', 'sent', 'delivered');
call app.protect('notification_logs');
grant select, insert on notification_logs to authenticated, mentalspace_worker;

-- As its owner: pg_temp last, or a caller's temporary table would be found first.
create function app.project_text() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  update public.notification_logs set
    delivery_status = new.status,
    status = case
      when new.status = 'accepted' then 'sent'
      when new.status = 'bounced' then 'undelivered'
      when new.status in ('refused', 'failed') then 'failed'
      when new.status in ('delivered', 'cancelled', 'expired') then new.status
      else 'pending' end,
    sent_date = coalesce(sent_date, new.accepted_at),
    sent_successfully = new.status in ('accepted', 'delivered'),
    delivered_at = case when new.status = 'delivered' then coalesce(delivered_at, app.now())
                        else delivered_at end,
    error_code = case when new.status in ('bounced', 'refused', 'failed') then new.last_case end,
    error_message = case
      when new.status in ('bounced', 'refused', 'failed', 'held', 'unknown')
      then coalesce(new.held_reason, new.last_case, new.status) end,
    provider_message_id = new.provider_message_id
  where delivery_id = new.id;
  return null;
end $$;
create trigger delivery_projects_texts after update of status on delivery
  for each row when (new.integration = 'sms' and old.status is distinct from new.status)
  execute function app.project_text();

-- What an on-call engineer sees of it: every row of every practice, nobody's number.
create view oncall.notification_logs as
  select id, practice_id, recipient_type, '***' || right(recipient_phone, 2) as recipient_phone,
         notification_type, sent_date, sent_successfully, error_message, related_entity_type,
         related_entity_id, status, created_at, provider_message_id, delivered_at, error_code,
         delivery_id, delivery_status, appointment_id, occasion, lead_min
    from public.notification_logs;
grant select on oncall.notification_logs to mentalspace_oncall;
