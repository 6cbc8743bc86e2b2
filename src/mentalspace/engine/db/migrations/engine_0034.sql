-- Every rule's state with every credential, for whoever may see that practice's incidents.
delete from alert_state;
alter table alert_state
  add column credential_id uuid not null references credential on delete cascade,
  add column practice_id   uuid not null references practice,
  add column integration   text not null,
  add column alerted_at    timestamptz,       -- when it last held
  drop constraint alert_state_state_check,
  add constraint alert_state_state_check check (state in (
    'normal', 'pending', 'alerting', 'recovering', 'no_data', 'error'));
create unique index alert_state_of on alert_state (credential_id, rule_id);
alter table alert_state enable row level security;
call app.oversee('alert_state', 'mentalspace_dispatcher');
call app.oversee('alert_state', 'mentalspace_oncall');
create policy administrator_sees on alert_state for select to authenticated
  using (practice_id = (select app.practice()) and (select app.practice_role()) = 'administrator');
grant select on alert_state to authenticated;

-- How each came to stand where it stands. A drill's changes end with its credential.
create table alert_change (
  id            bigint generated always as identity primary key,
  credential_id uuid not null references credential on delete cascade,
  practice_id   uuid not null references practice,
  integration   text not null,
  rule_id       text not null,
  state         text not null check (state in (
    'normal', 'pending', 'alerting', 'recovering', 'no_data', 'error')),
  at            timestamptz not null default app.now()
);
create index alert_change_of on alert_change (credential_id, rule_id, at desc);
create index alert_change_at on alert_change (at);
alter table alert_change enable row level security;
call app.oversee('alert_change', 'mentalspace_dispatcher');
call app.oversee('alert_change', 'mentalspace_oncall');
create policy administrator_sees on alert_change for select to authenticated
  using (practice_id = (select app.practice()) and (select app.practice_role()) = 'administrator');
grant select, insert, delete on alert_change to mentalspace_dispatcher;
grant select on alert_change to mentalspace_oncall, authenticated;

-- A practice's week on its own clock, in minutes of a day, Monday first: absence is missed in it.
alter table practice add column opening jsonb not null
  default '[[480, 1080], [480, 1080], [480, 1080], [480, 1080], [480, 1080], null, null]'
  check (jsonb_typeof(opening) = 'array' and jsonb_array_length(opening) = 7);
grant update (opening) on practice to mentalspace_oncall;

-- What is known to be broken for a while wakes nobody. Every silence ends.
create table alert_silence (
  id          uuid primary key default gen_random_uuid(),
  rule_id     text,
  integration text,
  practice_id uuid references practice,
  reason      text not null check (reason <> ''),
  created_by  text not null,
  created_at  timestamptz not null default app.now(),
  until_at    timestamptz not null,
  lifted_at   timestamptz,
  lifted_by   text,
  check (until_at <= created_at + interval '7 days'),
  check (num_nonnulls(rule_id, integration, practice_id) > 0),
  check ((lifted_at is null) = (lifted_by is null))
);
create index alert_silence_standing on alert_silence (until_at) where lifted_at is null;
alter table alert_silence enable row level security;
call app.oversee('alert_silence', 'mentalspace_dispatcher');
call app.oversee('alert_silence', 'mentalspace_oncall');
-- One that is about every practice is about theirs, too.
create policy administrator_sees on alert_silence for select to authenticated
  using ((practice_id is null or practice_id = (select app.practice()))
         and (select app.practice_role()) = 'administrator');
grant select on alert_silence to authenticated, mentalspace_dispatcher;
grant select, insert, update (lifted_at, lifted_by) on alert_silence to mentalspace_oncall;

-- When a provider last called a credential back.
create index inbox_heard on inbox (credential_id, received_at desc);
