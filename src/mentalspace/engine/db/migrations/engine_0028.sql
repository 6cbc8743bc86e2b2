-- Colleagues who are paged, belonging to the operator and to no practice. They need not be able to
-- sign in.
create table oncall_person (
  id         uuid primary key default gen_random_uuid(),
  name       text not null unique check (length(name) between 1 and 80),
  active     boolean not null default true,
  created_at timestamptz not null default app.now()
);

-- How somebody is reached, the best first. The address is a secret (it holds keys), sealed for this
-- row's own id; the hint says enough to tell two apart.
create table oncall_contact (
  id         uuid primary key default gen_random_uuid(),
  person_id  uuid not null references oncall_person,
  kind       text not null check (kind in ('apprise', 'pagerduty', 'email', 'sms')),
  rank       integer not null check (rank > 0),
  address    bytea,
  hint       text not null,
  active     boolean not null default true,
  created_at timestamptz not null default app.now(),
  check ((address is not null) = active)
);
create unique index oncall_contact_rank on oncall_contact (person_id, rank) where active;

create table oncall_layer (
  id         uuid primary key default gen_random_uuid(),
  target     text not null check (target in ('oncall', 'cto', 'assigned')),
  name       text not null check (length(name) between 1 and 80),
  rank       integer not null check (rank > 0),
  zone       text not null,
  hand_over  time not null,
  every_days integer not null check (every_days between 1 and 366),
  starts_on  date not null,
  ends_on    date check (ends_on > starts_on),
  people     uuid[] not null check (cardinality(people) between 1 and 50),
  active     boolean not null default true,
  made_by    text not null,
  created_at timestamptz not null default app.now()
);
create unique index oncall_layer_rank on oncall_layer (target, rank) where active;

-- Somebody else has a layer for a while. Never changed, only called off.
create table oncall_override (
  id            uuid primary key default gen_random_uuid(),
  layer_id      uuid not null references oncall_layer,
  person_id     uuid not null references oncall_person,
  starts_at     timestamptz not null,
  ends_at       timestamptz not null check (ends_at > starts_at),
  reason        text not null default '' check (length(reason) <= 200),
  made_by       text not null,
  made_at       timestamptz not null default clock_timestamp(),
  called_off_at timestamptz,
  called_off_by text
);
create index oncall_override_coming on oncall_override (ends_at) where called_off_at is null;

-- What became of a page on each way to each person. `channel` is a contact's id, or names one of
-- the settings' addresses.
create table page_send (
  page_id   uuid not null references page on delete cascade,
  channel   text not null,
  kind      text not null,
  label     text not null,
  person_id uuid references oncall_person,
  state     text not null check (state in ('sent', 'failed', 'left_out')),
  error     text,
  tries     integer not null default 1,
  told      text not null default 'trigger' check (told in ('trigger', 'acknowledge', 'resolve')),
  key       text,
  at        timestamptz not null default app.now(),
  tell_after timestamptz not null default clock_timestamp(),   -- real time
  primary key (page_id, channel)
);
create index page_send_to_tell on page_send (tell_after)
  where kind = 'pagerduty' and state = 'sent' and told <> 'resolve';

do $$
declare target text;
begin
  foreach target in array array['oncall_person', 'oncall_contact', 'oncall_layer',
                                'oncall_override', 'page_send'] loop
    execute format('alter table %I enable row level security', target);
    call app.oversee(target::regclass, 'mentalspace_dispatcher');
    call app.oversee(target::regclass, 'mentalspace_oncall');
  end loop;
end $$;
grant select on oncall_person, oncall_contact, oncall_layer, oncall_override
  to mentalspace_dispatcher;
grant select, insert, update on page_send to mentalspace_dispatcher;
grant select on page_send to mentalspace_oncall;
grant select, insert, update on oncall_person, oncall_layer, oncall_override to mentalspace_oncall;
-- An address goes in and does not come out again.
grant select (id, person_id, kind, rank, hint, active, created_at), insert, update
  on oncall_contact to mentalspace_oncall;

-- A loop beats only after it has done its work. Instants here are real time.
create table pulse (
  name     text primary key,
  first_at timestamptz not null default clock_timestamp(),
  beat_at  timestamptz not null default clock_timestamp()
);

-- What last became of each way to page, by pages and by tests; `key` as in page_send.
create table page_channel (
  key           text primary key,
  label         text not null,
  sent_at       timestamptz,
  failing_since timestamptz,
  error         text,
  check ((failing_since is null) = (error is null))
);

-- Asked for by a person or by the day, done by the pager.
create table alarm_test (
  id          uuid primary key default gen_random_uuid(),
  asked_at    timestamptz not null default app.now(),
  asked_by    text not null,
  started_at  timestamptz,
  finished_at timestamptz,
  passed      boolean,
  results     jsonb not null default '[]'
);
create index alarm_test_latest on alarm_test (asked_at desc);

-- The verdict, in one row that every page of the console reads. `checked_at` is real time: an alarm
-- that judges no more is out, whatever it judged last. Null until it first has.
create table alarm_state (
  only_row   boolean primary key default true check (only_row),
  nobody     text[] not null default '{}',   -- targets that no page reaches
  broken     text[] not null default '{}',   -- ways that failed last, by their labels
  checked_at timestamptz
);
insert into alarm_state default values;

do $$
declare target text;
begin
  foreach target in array array['pulse', 'page_channel', 'alarm_test', 'alarm_state'] loop
    execute format('alter table %I enable row level security', target);
    call app.oversee(target::regclass, 'mentalspace_dispatcher');
    call app.oversee(target::regclass, 'mentalspace_oncall');
  end loop;
end $$;
-- Nothing in it names anybody's client: whoever works here may see that nobody can be paged.
create policy everybody on alarm_state for select to authenticated, mentalspace_door using (true);
grant select, insert, update on pulse, page_channel, alarm_test to mentalspace_dispatcher;
grant select, update on alarm_state to mentalspace_dispatcher;
grant select on pulse, page_channel, alarm_test, alarm_state to mentalspace_oncall;
grant insert on alarm_test to mentalspace_oncall;
grant select on alarm_state to authenticated, mentalspace_door;
