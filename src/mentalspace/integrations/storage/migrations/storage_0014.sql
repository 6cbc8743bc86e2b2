-- How full everything is, as it was counted last. Of a drill there are rows beside the true ones.
create table storage.usage (
  practice_id uuid not null references public.practice,
  bucket_id   text not null,
  files       bigint not null,
  size_bytes  bigint not null,
  quota_bytes bigint,                       -- of the bucket; null: the practice's alone holds
  counted_at  timestamptz not null default app.now(),
  drill       text not null default '',
  primary key (practice_id, bucket_id, drill)
);
alter table storage.usage enable row level security;
create policy administrator_reads on storage.usage for select to authenticated
  using (practice_id = (select app.practice()) and (select app.practice_role()) = 'administrator');
call app.oversee('storage.usage', 'mentalspace_dispatcher');
call app.oversee('storage.usage', 'mentalspace_oncall');
grant select, insert, update, delete on storage.usage to mentalspace_dispatcher;
grant select on storage.usage to authenticated, mentalspace_oncall;

-- What the last sweep found: bytes that nobody could reach, which are gone, and rows whose bytes are.
create table storage.sweep (
  practice_id uuid not null references public.practice,
  swept_at    timestamptz not null default app.now(),
  unnamed     bigint not null,
  lost        bigint not null,
  drill       text not null default '',
  primary key (practice_id, drill)
);
alter table storage.sweep enable row level security;
call app.oversee('storage.sweep', 'mentalspace_dispatcher');
call app.oversee('storage.sweep', 'mentalspace_oncall');
grant select, insert, update, delete on storage.sweep to mentalspace_dispatcher;
grant select on storage.sweep to mentalspace_oncall;

-- The disk where files land, one for all practices.
create table storage.disk (
  drill       text primary key default '',
  total_bytes bigint not null check (total_bytes > 0),
  free_bytes  bigint not null check (free_bytes >= 0),
  looked_at   timestamptz not null default app.now()
);
alter table storage.disk enable row level security;
call app.oversee('storage.disk', 'mentalspace_dispatcher');
call app.oversee('storage.disk', 'mentalspace_oncall');
grant select, insert, update, delete on storage.disk to mentalspace_dispatcher;
grant select on storage.disk to mentalspace_oncall;

