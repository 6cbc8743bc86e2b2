-- Whether a version was looked at, and what was found. A version without a row, or whose row says
-- anything but clean or released, is given to nobody and copied nowhere.
create table storage.scan (
  practice_id uuid not null references public.practice,
  version     text not null,
  file_id     uuid not null,
  state       text not null default 'waiting'
              check (state in ('waiting', 'clean', 'infected', 'released')),
  scanner     text,                            -- which one said so
  finding     text,                            -- its name for what is wrong
  trouble     text check (trouble in ('scanner_away', 'unreadable')),
  tries       integer not null default 0,
  landed_at   timestamptz not null default app.now(),
  next_at     timestamptz not null default app.now(),
  settled_at  timestamptz,
  primary key (practice_id, version)
);
create index scan_due on storage.scan (next_at) where state = 'waiting';
alter table storage.scan enable row level security;
create policy within_practice on storage.scan for select to authenticated
  using (practice_id = (select app.practice()));
create policy worker_of_practice on storage.scan to mentalspace_worker
  using (practice_id = (select app.practice()));
call app.oversee('storage.scan', 'mentalspace_dispatcher');
call app.oversee('storage.scan', 'mentalspace_oncall');
grant select (practice_id, version, state, scanner, finding) on storage.scan to authenticated;
grant select, update (state, scanner, finding, trouble, next_at, settled_at) on storage.scan
  to mentalspace_worker;
grant select on storage.scan to mentalspace_dispatcher, mentalspace_oncall;

-- However a version comes here, it waits. As its owner, because whoever adds a file could otherwise
-- say what was found in it.
create function storage.let_wait() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  insert into storage.scan (practice_id, version, file_id)
  values (new.practice_id, new.version, new.id) on conflict do nothing;
  return null;
end $$;
create trigger new_version_waits after insert on storage.file
  for each row execute function storage.let_wait();
create trigger next_version_waits after update of version on storage.file
  for each row when (new.version <> old.version) execute function storage.let_wait();
insert into storage.scan (practice_id, version, file_id)
select practice_id, version, id from storage.file;

-- For whoever scans: versions that wait, each for one asker alone for two minutes. A version that
-- no file has any more waits for nobody.
create function storage.take_scans(most integer)
returns table (practice_id uuid, version text, file_id uuid, bucket_id text, client_id uuid,
               metadata jsonb, tries integer)
language sql security definer set search_path = app, pg_catalog, public, pg_temp as $$
  with due as (
    select s.practice_id, s.version, f.id, f.bucket_id, storage.client_of(f.name) as client,
           f.metadata
      from storage.scan s join storage.file f using (practice_id, version)
     where s.state = 'waiting' and s.next_at <= app.now()
     order by s.next_at limit most for update of s skip locked
  )
  update storage.scan s set tries = s.tries + 1, next_at = app.now() + interval '2 min'
    from due d where s.practice_id = d.practice_id and s.version = d.version
  returning s.practice_id, s.version, d.id, d.bucket_id,
            (select c.id from public.client c where c.id = d.client), d.metadata, s.tries
$$;
revoke all on function storage.take_scans(integer) from public;
grant execute on function storage.take_scans(integer) to mentalspace_dispatcher;

-- Lets a sealed file be read after all: an administrator's word against the scanner's. What is
-- returned is what a copy of it needs; nothing if there is none that is theirs to release.
create function storage.release(the_file uuid) returns text
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
declare released text;
begin
  if app.practice_role() is distinct from 'administrator' then
    raise exception 'only administrators release' using errcode = '42501';
  end if;
  update storage.scan s set state = 'released', settled_at = app.now()
    from storage.file f
   where f.id = the_file and f.practice_id = app.practice() and s.practice_id = f.practice_id
     and s.version = f.version and s.state = 'infected'
  returning s.version into released;
  return released;
end $$;
revoke all on function storage.release(uuid) from public;
grant execute on function storage.release(uuid) to authenticated;
