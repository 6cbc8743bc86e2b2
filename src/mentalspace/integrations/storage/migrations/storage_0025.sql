-- What was replaced or deleted is kept for a while. How long, each bucket says, in days; nought lets
-- it go at once. In Supabase's word for it: whether versions are kept.
alter table storage.buckets
  add retention_days integer not null default 30 check (retention_days between 0 and 36500),
  drop versioning_status,
  add versioning_status text generated always as
    (case when retention_days > 0 then 'ENABLED' else 'DISABLED' end) stored;
update storage.buckets set retention_days = 0 where id = 'test-documents';
grant update (retention_days) on storage.buckets to authenticated;

-- A version that no file has any more, where it lay then, with what opens it. Its bytes are there
-- until its row is gone, and a copy of it at the provider as long.
create table storage.archived (
  practice_id   uuid not null references public.practice,
  file_id       uuid not null,
  bucket_id     text not null,                    -- which may be gone since
  name          text collate "C" not null,
  owner         uuid,
  owner_id      text,
  version       text not null,
  metadata      jsonb,
  user_metadata jsonb,
  key_id        uuid references storage.key,
  locked        bytea check ((locked is null) = (key_id is null)),
  label         text,
  created_at    timestamptz not null,             -- the file's
  added_at      timestamptz not null,             -- when this version came, or got its name
  why           text not null check (why in ('replaced', 'deleted')),
  removed_by    uuid,                             -- null: by nobody who was logged in
  archived_at   timestamptz not null default app.now(),
  purge_at      timestamptz not null,
  primary key (practice_id, version)
);
create index archived_name on storage.archived (practice_id, bucket_id, name, archived_at);
create index archived_file on storage.archived (practice_id, file_id);
create index archived_due on storage.archived (purge_at);
create index archived_key on storage.archived (key_id);
alter table storage.archived enable row level security;

-- Who may see a file sees its versions: by the very policies of storage.file, made anew from them by
-- whoever changes one. Only clients see less: what was put among theirs by mistake, and taken out
-- again, is not theirs to find.
create procedure storage.share_policies() language plpgsql as $$
declare policy record;
begin
  for policy in
    select polname from pg_policy where polrelid = 'storage.archived'::regclass
       and polroles @> array[(select oid from pg_roles where rolname = 'authenticated')]
  loop
    execute format('drop policy %I on storage.archived', policy.polname);
  end loop;
  for policy in
    select p.polname, case when p.polpermissive then 'permissive' else 'restrictive' end as kind,
           pg_get_expr(p.polqual, p.polrelid) as condition
      from pg_policy p
     where p.polrelid = 'storage.file'::regclass and p.polcmd in ('*', 'r')
       and p.polroles @> array[(select oid from pg_roles where rolname = 'authenticated')]
  loop
    execute format('create policy %I on storage.archived as %s for select to authenticated using (%s)',
                   policy.polname, policy.kind, policy.condition);
  end loop;
  create policy clients_see_what_they_sent on storage.archived as restrictive for select
    to authenticated
    using ((select app.practice_role()) <> 'client' or owner_id = (select app.user_id())::text);
end $$;
call storage.share_policies();
create policy worker_of_practice on storage.archived for select to mentalspace_worker
  using (practice_id = (select app.practice()));
call app.oversee('storage.archived', 'mentalspace_dispatcher');
grant select (practice_id, file_id, bucket_id, name, owner, owner_id, version, metadata, user_metadata,
              label, created_at, added_at, why, removed_by, archived_at, purge_at)
  on storage.archived to authenticated;
grant select (practice_id, file_id, version, key_id, locked, purge_at) on storage.archived
  to mentalspace_worker;
grant select (practice_id, file_id, bucket_id, version, metadata, created_at, archived_at, purge_at)
  on storage.archived to mentalspace_dispatcher;

-- Whoever removes a version, and however: its row goes over. As its owner, so that nobody else can
-- put one there, or take one out.
create function storage.archive() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  insert into storage.archived (practice_id, file_id, bucket_id, name, owner, owner_id, version,
                                metadata, user_metadata, key_id, locked, label, created_at, added_at,
                                why, removed_by, purge_at)
  select old.practice_id, old.id, old.bucket_id, old.name, old.owner, old.owner_id, old.version,
         old.metadata, old.user_metadata, old.key_id, old.locked, old.label, old.created_at,
         old.updated_at,
         case tg_op when 'DELETE' then 'deleted' else 'replaced' end, app.user_id(),
         app.now() + make_interval(days => b.retention_days)
    from storage.buckets b where b.practice_id = old.practice_id and b.id = old.bucket_id
  on conflict (practice_id, version) do nothing;
  return null;
end $$;
create trigger deleted_is_archived after delete on storage.file
  for each row execute function storage.archive();
create trigger replaced_is_archived after update of version on storage.file
  for each row when (new.version <> old.version) execute function storage.archive();

-- A longer time is also for what was removed before; a shorter one is not.
create function storage.keep_longer() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  update storage.archived a
     set purge_at = greatest(a.purge_at, a.archived_at + make_interval(days => new.retention_days))
   where a.practice_id = new.practice_id and a.bucket_id = new.id;
  return null;
end $$;
create trigger longer_is_for_all after update of retention_days on storage.buckets
  for each row when (new.retention_days > old.retention_days)
  execute function storage.keep_longer();

-- Whether what is removed from a bucket is kept at all. People who may remove something need not be
-- able to list buckets.
create function storage.keeps_removed(bucket text) returns boolean
language sql stable security definer set search_path = app, pg_catalog, public, pg_temp as
  $$ select coalesce((select b.retention_days > 0 from storage.buckets b
                       where b.practice_id = app.practice() and b.id = bucket), true) $$;
revoke all on function storage.keeps_removed(text) from public;
grant execute on function storage.keeps_removed(text) to authenticated;

-- Some versions of the practice whose time is over, and of these only `those` if any are named: their
-- rows go, and what opens their bytes with them. The bytes are the caller's to delete, after its
-- transaction. A version that a file has again stays.
create function storage.purge(most integer, those text[] default null)
returns table (version text, file_id uuid, bucket_id text)
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  return query
  with due as (
    select a.practice_id, a.version from storage.archived a
     where a.practice_id = app.practice() and a.purge_at <= app.now()
       and (those is null or a.version = any (those))
       and not exists (select from storage.file f
                        where f.practice_id = a.practice_id and f.version = a.version)
     order by a.purge_at limit most for update skip locked
  )
  delete from storage.archived a using due d
   where a.practice_id = d.practice_id and a.version = d.version
  returning a.version, a.file_id, a.bucket_id;
end $$;
revoke all on function storage.purge(integer, text[]) from public;
grant execute on function storage.purge(integer, text[]) to mentalspace_worker;

-- What was found in a version is known as long as the version is, and by whoever may see it.
drop policy of_ones_files on storage.scan;
create policy of_ones_files on storage.scan for select to authenticated
  using (practice_id = (select app.practice())
         and (exists (select from storage.file f where f.id = file_id and f.version = scan.version)
              or exists (select from storage.archived a where a.version = scan.version)));
create or replace function storage.forget_old() returns void
language sql security definer set search_path = app, pg_catalog, public, pg_temp as $$
  delete from storage.reading where until < app.now() - interval '1 day';
  delete from storage.link where expires_at < app.now() - interval '30 days';
  delete from storage.scan s where s.landed_at < app.now() - interval '1 hour'
     and not exists (select from storage.file f
                      where f.practice_id = s.practice_id and f.version = s.version)
     and not exists (select from storage.archived a
                      where a.practice_id = s.practice_id and a.version = s.version);
$$;

-- For on-call: whether older versions of a file are kept.
create or replace view storage.objects as
  select id, practice_id, bucket_id, storage.masked_name(name) as name, owner, owner_id, created_at,
         updated_at, last_accessed_at,
         jsonb_build_object('size', metadata -> 'size', 'mimetype', metadata -> 'mimetype')
           as metadata,
         string_to_array(storage.masked_name(name), '/') as path_tokens, version,
         null::jsonb as user_metadata, archived_at, is_delete_marker,
         exists (select from storage.archived a
                  where a.practice_id = file.practice_id and a.file_id = file.id) as is_versioned
    from storage.file;

-- Where the clock moves, what is put in to try things out is not kept.
create or replace function storage.furnish(practice uuid) returns void
language sql security definer set search_path = app, pg_catalog, public, pg_temp as $$
  insert into storage.buckets (practice_id, id, name, file_size_limit, allowed_mime_types,
                               retention_days)
  select practice, id, id, 50000000, types, 30
    from (values
      ('client-documents',       array['application/pdf', 'image/jpeg', 'image/png']),
      ('client-insurance-cards', array['application/pdf', 'image/jpeg', 'image/png']),
      ('telehealth-consents',    array['application/pdf', 'image/jpeg', 'image/png']),
      ('client-signatures',      array['application/pdf', 'image/jpeg', 'image/png']),
      ('session-recordings',     array['audio/mpeg', 'audio/mp4', 'audio/ogg', 'audio/wav',
                                       'audio/webm', 'video/mp4', 'video/webm'])
    ) as usual (id, types)
  union all
  select practice, 'test-documents', 'test-documents', 50000000,
         array['application/pdf', 'image/jpeg', 'image/png'], 0
    from app.clock where movable
  on conflict do nothing
$$;
