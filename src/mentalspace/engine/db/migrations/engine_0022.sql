-- What a message weighed when it left: the parts of a text, one for anything else.
alter table delivery add column weight smallint not null default 1 check (weight > 0);
grant select (weight) on delivery to authenticated, mentalspace_oncall, mentalspace_dispatcher;

-- Rollups are written by engine/rollup.py alone. They hold what is a quarter of an hour old, never
-- a drill's, and can all be counted anew from the ledger.
create table counted (
  integration     text not null,
  provider        text not null,
  accepted        integer not null default 0,   -- taken by the provider
  units           integer not null default 0,   -- their weight: times the price, the cost
  delivered       integer not null default 0,
  silent          integer not null default 0,   -- accepted, and nothing heard since
  recipient       integer not null default 0,   -- ended by the recipient's own fault
  ours            integer not null default 0,   -- ended by a fault of ours
  theirs          integer not null default 0,   -- ended by the provider's
  first_failed_at timestamptz,                  -- of ours and theirs
  send_n          integer not null default 0,   -- from due to accepted
  send_sum_s      double precision not null default 0,
  send_spread     jsonb not null default '{}',  -- how many by slot; engine/spread.py has the edges
  way_n           integer not null default 0,   -- from accepted to delivered
  way_sum_s       double precision not null default 0,
  way_spread      jsonb not null default '{}',
  requests        integer not null default 0,
  requests_theirs integer not null default 0,   -- failed by the provider's fault
  opt_outs        integer not null default 0,   -- people; with the integration's oldest credential
  codes           jsonb not null default '{}',  -- how many ended badly by each code
  events          jsonb not null default '{}'   -- messages by the metric that counts their event
);
create table rollup_hour (
  practice_id   uuid not null references practice,
  credential_id uuid not null references credential on delete cascade,
  at            timestamptz not null,           -- an hour of UTC
  like counted including defaults,
  primary key (credential_id, at)
);
create table rollup_day (
  practice_id   uuid not null references practice,
  credential_id uuid not null references credential on delete cascade,
  day           date not null,                  -- the practice's own
  like counted including defaults,
  primary key (credential_id, day)
);
create table rollup_platform (
  at timestamptz not null,                      -- five minutes of every practice together
  like counted including defaults,
  primary key (integration, provider, at)
);
drop table counted;

-- When each recipient was last reached: how many people a span reached is no sum of its days.
create table reached (
  practice_id   uuid not null references practice,
  credential_id uuid not null references credential on delete cascade,
  recipient_key text not null,                  -- keyed hash, as on the delivery
  last_at       timestamptz not null,
  primary key (credential_id, recipient_key)
);
create index reached_lately on reached (credential_id, last_at);

-- How far it is counted, and what of the timeline has been looked through for late news: all up to
-- `seen_id`; up to `read_id` once, when some of it may not have been committed yet.
create table rollup_state (
  only_row     boolean primary key default true check (only_row),
  folded_until timestamptz,
  read_id      bigint not null default 0,
  seen_id      bigint not null default 0,
  pending_id   bigint not null default 0,
  pending_xmax xid8 not null default '0',
  rules        text,                            -- digest of what the runbooks say of counting
  recounted_to timestamptz                      -- while all is counted anew under other rules
);
insert into rollup_state default values;

call app.protect('rollup_hour');
call app.protect('rollup_day');
call app.protect('reached');
call app.oversee('rollup_hour', 'mentalspace_dispatcher');
call app.oversee('rollup_hour', 'mentalspace_oncall');
call app.oversee('rollup_day', 'mentalspace_dispatcher');
call app.oversee('rollup_day', 'mentalspace_oncall');
call app.oversee('reached', 'mentalspace_dispatcher');
call app.oversee('reached', 'mentalspace_oncall');
grant select on rollup_hour, rollup_day, rollup_state to authenticated;
grant select on rollup_hour, rollup_day, rollup_platform, reached, rollup_state
  to mentalspace_oncall;
grant select, insert, update, delete on rollup_hour, rollup_day, rollup_platform, reached
  to mentalspace_dispatcher;
grant select, update on rollup_state to mentalspace_dispatcher;

-- Another index of the same columns serves every question that this one did.
drop index attempt_of_credential;
