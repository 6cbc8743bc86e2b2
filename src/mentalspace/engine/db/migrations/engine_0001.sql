-- Roles. The login role owns nothing and inherits nothing: it must say as whom it acts.
do $$
declare role_name text;
begin
  foreach role_name in array array[
    'authenticated',           -- a signed-in person, held to their practice by policies
    'mentalspace_worker',      -- a worker, held to the practice of the delivery it holds
    'mentalspace_dispatcher',  -- dispatcher and evaluators: scheduling and counting columns only
    'mentalspace_oncall',      -- an on-call engineer: every practice, nothing that names a person
    'mentalspace_door'         -- before it is known who knocks: log-in, sessions, hook endpoints
  ] loop
    if not exists (select from pg_roles where rolname = role_name) then
      execute format('create role %I nologin', role_name);
    end if;
  end loop;
end $$;

create schema app;
create schema oncall;
grant usage on schema app, public to
  authenticated, mentalspace_worker, mentalspace_dispatcher, mentalspace_oncall, mentalspace_door;
grant usage on schema oncall to mentalspace_oncall;

-- Time is a value: app.now() shadows now() through the search path, so that the runbook's
-- SQL follows the demo's clock. Leases and heartbeats use clock_timestamp(), which is real.
create table app.clock (
  only_row     boolean primary key default true check (only_row),
  clock_offset interval not null default interval '0',
  movable      boolean  not null default false
);
insert into app.clock default values;
grant select on app.clock to public;

-- Which migrations and which queue made this database; one row, written when all of it stands.
create table app.installed (
  only_row     boolean primary key default true check (only_row),
  shape        text not null,
  installed_at timestamptz not null default clock_timestamp()
);
grant select on app.installed to mentalspace_door;

create function app.now() returns timestamptz language sql stable as
  $$ select pg_catalog.now() + (select clock_offset from app.clock) $$;

create function app.advance_clock(by_interval interval) returns interval
language plpgsql security definer set search_path = app, pg_catalog, pg_temp as $$
declare result interval;
begin
  if by_interval < interval '0' then
    raise exception 'the clock only moves forward' using errcode = '22023';
  end if;
  update app.clock set clock_offset = clock_offset + by_interval
   where movable returning clock_offset into result;
  if result is null then
    raise exception 'the clock of this installation does not move' using errcode = '42501';
  end if;
  return result;
end $$;
revoke all on function app.advance_clock(interval) from public;
grant execute on function app.advance_clock(interval) to mentalspace_dispatcher, mentalspace_oncall;

-- Who asks, as the request's or the worker's claims say.
create function app.claims() returns jsonb language sql stable as
  $$ select coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb, '{}') $$;
create function app.practice() returns uuid language sql stable as
  $$ select (app.claims() ->> 'practice')::uuid $$;
create function app.practice_role() returns text language sql stable as
  $$ select coalesce(app.claims() ->> 'practice_role', '') $$;
create function app.user_id() returns uuid language sql stable as
  $$ select (app.claims() ->> 'sub')::uuid $$;
create function app.client_id() returns uuid language sql stable as
  $$ select (app.claims() ->> 'client')::uuid $$;
create function app.is_staff() returns boolean language sql stable as
  $$ select app.practice_role() in ('administrator', 'clinician', 'biller', 'front_desk') $$;

-- The standard protection of a practice's table: workers and staff see their practice.
create procedure app.protect(target regclass) language plpgsql as $$
begin
  execute format('alter table %s enable row level security', target);
  execute format('create policy worker_of_practice on %s to mentalspace_worker
    using (practice_id = (select app.practice()))
    with check (practice_id = (select app.practice()))', target);
  execute format('create policy staff_of_practice on %s to authenticated
    using (practice_id = (select app.practice()) and (select app.is_staff()))
    with check (practice_id = (select app.practice()) and (select app.is_staff()))', target);
end $$;

-- Everyone in a role without tenant, over columns that are granted one by one.
create procedure app.oversee(target regclass, role_name text) language plpgsql as $$
begin
  execute format('create policy %I on %s to %I using (true) with check (true)',
                 'overseen_by_' || role_name, target, role_name);
end $$;

create function app.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = '42501';
end $$;

-- Tenants ------------------------------------------------------------------------------------
create table practice (
  id         uuid primary key default gen_random_uuid(),
  slug       text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]*$'),
  name       text not null,
  timezone   text not null,
  phone      text,
  is_default boolean not null default false,
  is_drill   boolean not null default false,
  created_at timestamptz not null default app.now()
);
create unique index practice_one_default on practice (is_default) where is_default;
alter table practice enable row level security;
create policy own on practice to authenticated, mentalspace_worker using (id = (select app.practice()));
call app.oversee('practice', 'mentalspace_dispatcher');
call app.oversee('practice', 'mentalspace_oncall');
call app.oversee('practice', 'mentalspace_door');
grant select on practice to
  authenticated, mentalspace_worker, mentalspace_dispatcher, mentalspace_oncall, mentalspace_door;

-- Provider credentials, lanes -------------------------------------------------------------------
create table credential (
  id          uuid primary key default gen_random_uuid(),
  practice_id uuid not null references practice,
  integration text not null,
  provider    text not null,
  endpoint    text not null check (endpoint ~ '^[a-z0-9][a-z0-9-]*$'),
  base_url    text not null,
  live        boolean not null,
  secrets     bytea not null,
  rate_per_s  double precision not null check (rate_per_s > 0),
  burst       integer not null default 1 check (burst > 0),
  version     integer not null default 1,
  active      boolean not null default true,
  drill       text,
  created_at  timestamptz not null default app.now(),
  rotated_at  timestamptz,
  unique (integration, endpoint)
);
call app.protect('credential');
call app.oversee('credential', 'mentalspace_dispatcher');
call app.oversee('credential', 'mentalspace_oncall');
call app.oversee('credential', 'mentalspace_door');
grant select on credential to mentalspace_worker, mentalspace_door;
grant select (id, practice_id, integration, provider, endpoint, base_url, live, rate_per_s, burst,
              version, active, drill, created_at, rotated_at)
  on credential to authenticated, mentalspace_dispatcher, mentalspace_oncall;

-- The limiter's and the breaker's one row per credential. Instants here are real time.
create table credential_state (
  credential_id    uuid primary key references credential on delete cascade,
  practice_id      uuid not null references practice,
  next_slot_at     timestamptz not null default clock_timestamp(),
  slow_until       timestamptz,
  slow_interval_s  double precision,
  breaker          text not null default 'closed' check (breaker in ('closed', 'open', 'half_open')),
  recent           text not null default '' check (recent ~ '^[SF]{0,10}$'),
  opened_at        timestamptz,
  open_until       timestamptz,
  open_for_s       double precision,
  probe_by         text,
  probe_until      timestamptz,
  last_good_at     timestamptz,
  override_state   text check (override_state in ('closed', 'open')),
  override_reason  text,
  override_until   timestamptz
);
call app.protect('credential_state');
call app.oversee('credential_state', 'mentalspace_dispatcher');
call app.oversee('credential_state', 'mentalspace_oncall');
grant select, insert, update on credential_state to mentalspace_worker;
grant select on credential_state to authenticated, mentalspace_dispatcher, mentalspace_oncall;

create function app.slot_interval(rate_per_s double precision, slow_until timestamptz, slow_interval_s double precision)
returns interval language sql volatile as
  $$ select interval '1 s' * case when slow_until > clock_timestamp()
       then greatest(slow_interval_s, 1 / rate_per_s) else 1 / rate_per_s end $$;

create table lane (
  id             uuid primary key default gen_random_uuid(),
  practice_id    uuid not null references practice,
  credential_id  uuid not null references credential on delete cascade,
  integration    text not null,
  provider       text not null,
  class          text not null check (class in ('interactive', 'bulk')),
  state          text not null default 'open' check (state in ('open', 'paused')),
  paused_at      timestamptz,
  paused_until   timestamptz,
  paused_case    text,
  paused_by      text,
  unique (credential_id, class)
);
call app.protect('lane');
call app.oversee('lane', 'mentalspace_dispatcher');
call app.oversee('lane', 'mentalspace_oncall');
grant select, update on lane to mentalspace_worker;
grant select on lane to authenticated;
grant select, update on lane to mentalspace_dispatcher, mentalspace_oncall;

-- The ledger -------------------------------------------------------------------------------------
create table app.delivery_transition (
  before text not null,
  after  text not null,
  primary key (before, after)
);
grant select on app.delivery_transition to public;
insert into app.delivery_transition (before, after)
select before, unnest(string_to_array(after_list, ' ')) from (values
  ('pending', 'due cancelled expired held refused'),
  ('due',     'sending pending cancelled expired held'),
  ('sending', 'accepted pending due unknown held refused failed expired delivered bounced'),
  ('unknown', 'sending accepted delivered bounced held failed'),
  ('held',    'pending accepted delivered bounced cancelled failed'),
  ('accepted', 'delivered bounced failed')
) as allowed (before, after_list);

create table delivery (
  id                  uuid primary key default gen_random_uuid(),
  practice_id         uuid not null references practice,
  lane_id             uuid not null references lane,
  credential_id       uuid not null references credential,
  integration         text not null,
  kind                text not null,            -- appointment_created, reminder, …
  subject_type        text,                     -- appointment, …
  subject_id          uuid,
  client_id           uuid,
  recipient_key       text not null,            -- keyed hash: counts people without naming them
  payload             bytea,                    -- encrypted, frozen at enqueue; purged after retention
  bypass_guard        boolean not null default false,   -- drills only
  status              text not null default 'pending' check (status in (
                        'pending', 'due', 'sending', 'unknown', 'held', 'accepted', 'delivered',
                        'bounced', 'refused', 'failed', 'cancelled', 'expired')),
  idempotency_key     text not null check (length(idempotency_key) between 1 and 256),
  due_at              timestamptz not null default app.now(),
  next_attempt_at     timestamptz not null default app.now(),
  expires_at          timestamptz,
  attempts            integer not null default 0,
  starts              integer not null default 0,   -- claims since the last finished attempt
  reconciliations     integer not null default 0,
  first_attempt_at    timestamptz,
  claimed_by          text,
  claim_token         uuid,
  claimed_at          timestamptz,                  -- real time
  provider_message_id text,
  last_case           text,
  held_reason         text,
  traceparent         text not null,
  drill               text,
  created_at          timestamptz not null default app.now(),
  accepted_at         timestamptz,
  ended_at            timestamptz,
  ask_at              timestamptz,                  -- when to ask after it, while it is accepted
  questions           integer not null default 0,
  purged_at           timestamptz,                  -- when the payload's retention ended
  unique (practice_id, integration, idempotency_key)
);
create index delivery_due on delivery (next_attempt_at) where status in ('pending', 'due', 'unknown');
create index delivery_lane_due on delivery (lane_id, next_attempt_at)
  where status in ('due', 'unknown');
create index delivery_claimed on delivery (claimed_by) where status = 'sending';
create index delivery_provider_message on delivery (credential_id, provider_message_id);
create index delivery_recent on delivery (practice_id, created_at desc);
create index delivery_silent on delivery (ask_at) where status = 'accepted';
create index delivery_newest on delivery (created_at desc);
create index delivery_ended on delivery (credential_id, ended_at desc);
create index delivery_subject on delivery (subject_id);
create index delivery_open on delivery (credential_id, status)
  where status in ('pending', 'due', 'sending', 'unknown', 'held');
call app.protect('delivery');
create policy own_deliveries on delivery for select to authenticated
  using (practice_id = (select app.practice()) and client_id = (select app.client_id()));
call app.oversee('delivery', 'mentalspace_dispatcher');
call app.oversee('delivery', 'mentalspace_oncall');
grant select, insert, update on delivery to mentalspace_worker;
grant select (id, practice_id, lane_id, credential_id, integration, kind, subject_type, subject_id,
              client_id, recipient_key, status, idempotency_key, due_at, next_attempt_at, expires_at,
              attempts, starts, reconciliations, first_attempt_at, claimed_by, claimed_at,
              provider_message_id, last_case, held_reason, traceparent, drill, created_at,
              accepted_at, ended_at) on delivery to authenticated, mentalspace_oncall;
grant insert on delivery to authenticated;
grant update (status, next_attempt_at, held_reason, ended_at, starts)
  on delivery to authenticated, mentalspace_oncall;
grant select (id, practice_id, lane_id, credential_id, integration, kind, recipient_key, status,
              due_at, next_attempt_at, expires_at, attempts, starts, reconciliations, claimed_by,
              claimed_at, claim_token, last_case, drill, created_at, accepted_at, ended_at,
              subject_type, subject_id, traceparent, purged_at, ask_at)
  on delivery to mentalspace_dispatcher;
grant update (status, next_attempt_at, claimed_by, claim_token, claimed_at, held_reason, payload, purged_at)
  on delivery to mentalspace_dispatcher;

create function app.check_delivery_move() returns trigger language plpgsql as $$
begin
  if new.status is distinct from old.status then
    if not exists (select from app.delivery_transition
                    where before = old.status and after = new.status) then
      raise exception 'a delivery does not go from % to %', old.status, new.status
        using errcode = '23514', constraint = 'delivery_moves_forward';
    end if;
    if new.status = 'accepted' then
      new.accepted_at := coalesce(new.accepted_at, app.now());
      if new.provider_message_id is not null then
        new.ask_at := app.now() + interval '15 min';
      end if;
    end if;
    if not exists (select from app.delivery_transition where before = new.status) then
      new.ended_at := coalesce(new.ended_at, app.now());
    end if;
  end if;
  return new;
end $$;
create trigger delivery_moves before update on delivery
  for each row execute function app.check_delivery_move();

create table attempt (
  id              uuid primary key default gen_random_uuid(),
  practice_id     uuid not null references practice,
  lane_id         uuid not null references lane,
  credential_id   uuid not null references credential,
  integration     text not null,
  purpose         text not null default 'send' check (purpose in ('send', 'reconcile')),
  state           text not null default 'open' check (state in ('open', 'succeeded', 'failed', 'unknown')),
  idempotency_key text not null,
  worker          text not null,
  deadline_s      double precision not null,
  started_at      timestamptz not null default app.now(),
  finished_at     timestamptz,
  duration_ms     double precision,
  evidence_kind   text,
  http            integer,
  code            text,
  request_id      text,
  case_id         text,
  case_version    integer,
  disposition     text,
  fault           text,
  traceparent     text not null,
  drill           text
);
create index attempt_of_credential on attempt (credential_id, finished_at desc) where drill is null;
create index attempt_credential_all on attempt (credential_id, finished_at desc);
create index attempt_open on attempt (worker) where state = 'open';
call app.protect('attempt');
call app.oversee('attempt', 'mentalspace_dispatcher');
call app.oversee('attempt', 'mentalspace_oncall');
grant select, insert, update on attempt to mentalspace_worker;
grant select on attempt to authenticated, mentalspace_dispatcher, mentalspace_oncall;
grant update (state, finished_at) on attempt to mentalspace_dispatcher;

create table attempt_delivery (
  attempt_id  uuid not null references attempt on delete cascade,
  delivery_id uuid not null references delivery,
  practice_id uuid not null references practice,
  primary key (attempt_id, delivery_id)
);
create index attempt_delivery_of on attempt_delivery (delivery_id);
call app.protect('attempt_delivery');
call app.oversee('attempt_delivery', 'mentalspace_dispatcher');
call app.oversee('attempt_delivery', 'mentalspace_oncall');
grant select, insert on attempt_delivery to mentalspace_worker;
grant select on attempt_delivery to authenticated, mentalspace_dispatcher, mentalspace_oncall;

-- What happened, in order, without a name in it. `data` holds codes, counts and ids only.
create table timeline (
  id          bigint generated always as identity primary key,
  at          timestamptz not null default app.now(),
  practice_id uuid references practice,
  delivery_id uuid references delivery,
  attempt_id  uuid references attempt,
  lane_id     uuid references lane,
  incident_id uuid,
  kind        text not null,
  data        jsonb not null default '{}',
  actor       text not null,
  drill       text
);
create index timeline_of_delivery on timeline (delivery_id, id);
create index timeline_of_incident on timeline (incident_id, id) where incident_id is not null;
create index timeline_recent on timeline (practice_id, id desc);
create trigger timeline_append_only before update or delete on timeline
  for each row execute function app.refuse_change();
create trigger timeline_not_truncated before truncate on timeline
  for each statement execute function app.refuse_change();
call app.protect('timeline');
call app.oversee('timeline', 'mentalspace_dispatcher');
call app.oversee('timeline', 'mentalspace_oncall');
grant select, insert on timeline to
  mentalspace_worker, authenticated, mentalspace_dispatcher, mentalspace_oncall;

-- Inbound webhooks ---------------------------------------------------------------------------------
create table inbox (
  id            uuid primary key default gen_random_uuid(),
  practice_id   uuid not null references practice,
  credential_id uuid not null references credential,
  integration   text not null,
  provider      text not null,
  external_id   text not null,
  payload       bytea not null,                -- encrypted raw body
  state         text not null default 'received' check (state in ('received', 'processed', 'held')),
  tries         integer not null default 0,
  next_try_at   timestamptz not null default app.now(),
  held_reason   text,
  received_at   timestamptz not null default app.now(),
  processed_at  timestamptz,
  drill         text,
  unique (credential_id, external_id)
);
create index inbox_waiting on inbox (next_try_at) where state = 'received';
create index inbox_unapplied on inbox (credential_id) where state <> 'processed';
call app.protect('inbox');
call app.oversee('inbox', 'mentalspace_dispatcher');
call app.oversee('inbox', 'mentalspace_oncall');
grant select, insert, update on inbox to mentalspace_worker;
grant select (id, practice_id, credential_id, integration, provider, external_id, state, tries,
              next_try_at, held_reason, received_at, processed_at, drill)
  on inbox to authenticated, mentalspace_dispatcher, mentalspace_oncall;

-- Alert to acknowledgment ----------------------------------------------------------------------------
create table incident (
  id                 uuid primary key default gen_random_uuid(),
  key                text not null,
  rule_id            text not null,
  case_id            text,
  integration        text not null,
  credential_id      uuid references credential,
  practice_id        uuid references practice,
  severity           text not null check (severity in ('critical', 'high', 'medium', 'low')),
  title              text not null,
  fault              text not null check (fault in ('ours', 'theirs', 'recipient', 'unclear')),
  status             text not null default 'open' check (status in ('open', 'acknowledged', 'resolved')),
  opened_at          timestamptz not null default app.now(),
  since              timestamptz not null,
  recovered_at       timestamptz,
  acknowledged_at    timestamptz,
  acknowledged_by    text,
  resolved_at        timestamptz,
  resolved_by        text,
  ack_due_at         timestamptz not null,
  escalation_step    integer not null default 0,
  next_escalation_at timestamptz,
  facts              jsonb not null default '{}',
  drill              text
);
create unique index incident_one_open on incident (key) where status <> 'resolved';
create index incident_recent on incident (opened_at desc);
alter table incident enable row level security;
call app.oversee('incident', 'mentalspace_dispatcher');
call app.oversee('incident', 'mentalspace_oncall');
create policy administrator_sees on incident for select to authenticated
  using (practice_id = (select app.practice()) and (select app.practice_role()) = 'administrator');
grant select, insert, update on incident to mentalspace_dispatcher;
grant select, update on incident to mentalspace_oncall;
grant select on incident to authenticated;

create table page (
  id          uuid primary key default gen_random_uuid(),
  incident_id uuid not null references incident,
  target      text not null,
  step        integer not null,
  state       text not null default 'pending' check (state in ('pending', 'sent', 'failed')),
  tries       integer not null default 0,
  error       text,
  next_try_at timestamptz not null default clock_timestamp(),   -- real time
  created_at  timestamptz not null default app.now(),
  sent_at     timestamptz,
  unique (incident_id, target, step)
);
alter table page enable row level security;
call app.oversee('page', 'mentalspace_dispatcher');
call app.oversee('page', 'mentalspace_oncall');
grant select, insert, update on page to mentalspace_dispatcher;
grant select on page to mentalspace_oncall;

create table alert_state (
  key        text primary key,
  rule_id    text not null,
  state      text not null check (state in ('normal', 'alerting', 'recovering', 'no_data')),
  since      timestamptz not null default app.now(),
  checked_at timestamptz not null default app.now(),
  detail     jsonb not null default '{}'
);
grant select, insert, update on alert_state to mentalspace_dispatcher;
grant select on alert_state to mentalspace_oncall;

-- Processes, drills, idempotent requests --------------------------------------------------------------
create table heartbeat (
  process    text primary key,           -- worker:host:pid:start
  kind       text not null,
  host       text not null,
  pid        integer not null,
  started_at timestamptz not null default clock_timestamp(),
  beat_at    timestamptz not null default clock_timestamp()
);
grant select, insert, update, delete on heartbeat to mentalspace_dispatcher;
grant select on heartbeat to mentalspace_oncall, mentalspace_door, mentalspace_worker;

create table drill_run (
  id          text primary key,
  drill       text not null,
  started_at  timestamptz not null default app.now(),
  finished_at timestamptz,
  passed      boolean,
  expected    jsonb not null default '{}',
  observed    jsonb not null default '{}',
  seconds     double precision,
  actor       text not null
);
create index drill_run_latest on drill_run (drill, started_at desc);
grant select, insert, update on drill_run to mentalspace_dispatcher;
grant select on drill_run to mentalspace_oncall;

create table api_request (
  practice_id  uuid not null references practice,
  key          text not null check (length(key) between 1 and 255),
  request_hash text not null,
  http         integer,
  body         bytea,
  created_at   timestamptz not null default app.now(),
  primary key (practice_id, key)
);
call app.protect('api_request');
grant select, insert, update, delete on api_request to authenticated;

