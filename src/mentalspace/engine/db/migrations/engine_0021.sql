-- A day on which every drill runs, one after another, under ordinary traffic. `beat_at` is real
-- time: who holds one and is gone no longer beats.
create table game_day (
  id          text primary key,
  started_at  timestamptz not null default app.now(),
  finished_at timestamptz,
  state       text not null default 'running'
              check (state in ('running', 'finished', 'interrupted')),
  actor       text not null,
  planned     text[] not null,
  per_minute  double precision not null check (per_minute >= 0),
  estimate_s  double precision not null,
  background  jsonb not null default '{}',
  stop_wanted boolean not null default false,
  beat_at     timestamptz not null default clock_timestamp()
);
create index game_day_latest on game_day (started_at desc);
grant select, insert, update on game_day to mentalspace_dispatcher;
grant select on game_day to mentalspace_oncall;

-- `proved` are the cases and rules that a passed run promised and saw; `revision` the digests of
-- the files it followed; `chain` and `seq` lead to its evidence.
alter table drill_run
  add column game_day     text references game_day,
  add column injected_at  timestamptz,
  add column detected_at  timestamptz,
  add column healed_at    timestamptz,
  add column recovered_at timestamptz,
  add column proved       text[] not null default '{}',
  add column revision     jsonb not null default '{}',
  add column chain        text,
  add column seq          bigint;
create index drill_run_of_game_day on drill_run (game_day) where game_day is not null;
create index drill_run_proved on drill_run using gin (proved) where passed;

-- What earlier runs proved: the case they promised, and the rule, where both were seen.
update drill_run set proved = array(
  select expected -> 'then' ->> 'case'
   where observed -> 'then' -> 'cases' ? (expected -> 'then' ->> 'case')
  union
  select expected -> 'then' ->> 'alert'
   where observed -> 'then' -> 'alerts' ? (expected -> 'then' ->> 'alert'))
 where passed;

create table evidence (
  chain      text not null,
  seq        bigint not null,
  kind       text not null check (kind in ('opened', 'drill', 'closed')),
  body       text not null,               -- canonical JSON; never a name or an address
  previous   text not null,
  hash       text not null,
  written_at timestamptz not null default clock_timestamp(),
  primary key (chain, seq)
);
create table evidence_head (
  chain text primary key,
  seq   bigint not null,
  hash  text not null
);
grant select, insert (chain, kind, body) on evidence to mentalspace_dispatcher;
grant select on evidence_head to mentalspace_dispatcher;
grant select on evidence, evidence_head to mentalspace_oncall;

create function app.evidence_hash(entry public.evidence) returns text language sql immutable
set search_path = app, pg_catalog, public, pg_temp as $$
  select encode(sha256(convert_to(concat_ws(E'\n', entry.seq, entry.kind, entry.previous,
                                            entry.body), 'UTF8')), 'hex')
$$;

-- As its owner, for nobody else may touch the heads: pg_temp last, as with every such function.
create function app.chain_evidence() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  insert into public.evidence_head values (new.chain, 0, repeat('0', 64)) on conflict do nothing;
  select seq + 1, hash into new.seq, new.previous
    from public.evidence_head where chain = new.chain for update;
  if new.seq > 1 and (select kind from public.evidence
                       where chain = new.chain and seq = new.seq - 1) = 'closed' then
    raise exception 'the chain % is closed', new.chain using errcode = '23514';
  end if;
  new.hash := app.evidence_hash(new);
  update public.evidence_head set seq = new.seq, hash = new.hash where chain = new.chain;
  return new;
end $$;
create trigger evidence_is_chained before insert on evidence
  for each row execute function app.chain_evidence();

create trigger evidence_append_only before update or delete on evidence
  for each row execute function app.refuse_change();
create trigger evidence_not_truncated before truncate on evidence
  for each statement execute function app.refuse_change();
