-- What goes in and out of the surface, counted: by practice, bucket and size, and by nobody's name.
alter table storage.buckets add column quota_bytes bigint check (quota_bytes > 0);
grant update (quota_bytes) on storage.buckets to authenticated;

create function storage.size_class(size_bytes bigint) returns text
language sql immutable parallel safe as
  $$ select case when size_bytes < 1000000 then 'under 1 MB'
                 when size_bytes < 10000000 then '1 to 10 MB'
                 when size_bytes < 50000000 then '10 to 50 MB'
                 else '50 MB and more' end $$;

-- One line for each request that carried a file, or was to. A line is added and never changed, so
-- that no two requests wait for one row; the worker moves what is old into `traffic`, by the hour.
create table storage.transfer (
  id          bigint generated always as identity primary key,
  practice_id uuid not null references public.practice,
  bucket_id   text not null,                -- empty where the practice has no such bucket
  way         text not null check (way in ('up', 'down')),
  outcome     text not null,                -- `done`, `cut`, or the code of the answer
  fault       text not null check (fault in ('none', 'asker', 'line', 'ours')),
  size_bytes  bigint not null check (size_bytes >= 0),   -- of what came through
  took_s      float8 not null check (took_s >= 0),
  at          timestamptz not null default app.now(),
  drill       text
);
create index transfer_at on storage.transfer (at);

create table storage.traffic (
  practice_id uuid not null references public.practice,
  hour        timestamptz not null,
  bucket_id   text not null,
  way         text not null,
  outcome     text not null,
  fault       text not null,
  size_class  text not null,
  drill       text not null,                -- empty for what is none
  number      bigint not null,
  size_bytes  bigint not null,
  took_s      float8 not null,
  primary key (practice_id, hour, bucket_id, way, outcome, fault, size_class, drill)
);

alter table storage.transfer enable row level security;
create policy worker_counts on storage.transfer for insert to mentalspace_worker
  with check (practice_id = (select app.practice()));
call app.oversee('storage.transfer', 'mentalspace_dispatcher');
call app.oversee('storage.transfer', 'mentalspace_oncall');
grant insert on storage.transfer to mentalspace_worker;
grant select, delete on storage.transfer to mentalspace_dispatcher;
grant select on storage.transfer to mentalspace_oncall;

alter table storage.traffic enable row level security;
call app.oversee('storage.traffic', 'mentalspace_dispatcher');
call app.oversee('storage.traffic', 'mentalspace_oncall');
grant select, insert, update, delete on storage.traffic to mentalspace_dispatcher;
grant select on storage.traffic to mentalspace_oncall;

-- Both together, each transfer once; short spans are true to the line, long ones to the hour.
create view storage.moved with (security_invoker = true) as
  select practice_id, at, bucket_id, way, outcome, fault, storage.size_class(size_bytes) as size_class,
         drill, 1::bigint as number, size_bytes, took_s
    from storage.transfer
  union all
  select practice_id, hour, bucket_id, way, outcome, fault, size_class, nullif(drill, ''), number,
         size_bytes, took_s
    from storage.traffic;
grant select on storage.moved to mentalspace_dispatcher, mentalspace_oncall;

-- A bucket's name as this practice has it: what somebody merely wrote is no bucket's.
create function storage.known_bucket(bucket text) returns text
language sql stable security definer set search_path = app, pg_catalog, public, pg_temp as
  $$ select coalesce((select b.id from storage.buckets b
                       where b.practice_id = app.practice() and b.id = bucket), '') $$;
revoke all on function storage.known_bucket(text) from public;
grant execute on function storage.known_bucket(text) to mentalspace_worker;
