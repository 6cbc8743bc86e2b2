-- Supabase Storage's tables, helpers and settings of a transaction, for many practices at once.
-- What Supabase keeps in the table `storage.objects` is here `storage.file`; `storage.objects` is
-- what an on-call engineer sees of it. A file's bytes lie on disk, under `version`.
create schema storage;
grant usage on schema storage to
  authenticated, mentalspace_worker, mentalspace_dispatcher, mentalspace_oncall;

create table storage.buckets (
  practice_id        uuid not null references public.practice,
  id                 text not null check (length(id) between 1 and 100),
  name               text not null check (length(name) between 1 and 100),
  owner              uuid,                         -- deprecated; owner_id says more
  owner_id           text,
  created_at         timestamptz not null default app.now(),
  updated_at         timestamptz not null default app.now(),
  public             boolean not null default false check (not public),
  avif_autodetection boolean not null default false,
  file_size_limit    bigint check (file_size_limit > 0),
  allowed_mime_types text[],
  type               text not null default 'STANDARD' check (type = 'STANDARD'),
  versioning_status  text,
  primary key (practice_id, id),
  unique (practice_id, name)
);

create table storage.file (
  practice_id      uuid not null,
  id               uuid primary key default gen_random_uuid(),
  bucket_id        text not null,
  name             text collate "C" not null check (length(name) between 1 and 1024),
  owner            uuid,                           -- deprecated; owner_id says more
  owner_id         text,
  created_at       timestamptz not null default app.now(),
  updated_at       timestamptz not null default app.now(),
  last_accessed_at timestamptz not null default app.now(),
  metadata         jsonb,                          -- size, mimetype, eTag (SHA-256), cacheControl
  path_tokens      text[] generated always as (string_to_array(name, '/')) stored,
  version          text not null,                  -- the name of its bytes on disk, never another's
  user_metadata    jsonb,
  archived_at      timestamptz,
  is_delete_marker boolean not null default false,
  is_versioned     boolean not null default false,
  unique (practice_id, bucket_id, name),
  foreign key (practice_id, bucket_id) references storage.buckets
);
create unique index file_version on storage.file (practice_id, version);

-- Helpers, as Supabase has them --------------------------------------------------------------------
create function storage.foldername(name text) returns text[] language sql immutable parallel safe as
  $$ select (string_to_array(name, '/'))[:cardinality(string_to_array(name, '/')) - 1] $$;
create function storage.filename(name text) returns text language sql immutable parallel safe as
  $$ select split_part(name, '/', -1) $$;
create function storage.extension(name text) returns text language sql immutable parallel safe as
  $$ select split_part(split_part(name, '/', -1), '.', -1) $$;
create function storage.operation() returns text language sql stable as
  $$ select nullif(current_setting('storage.operation', true), '') $$;
-- With or without the word `storage.` in front.
create function storage.allow_any_operation(expected text[]) returns boolean language sql stable as
  $$ select coalesce(regexp_replace(storage.operation(), '^storage\.', '') = any (
       select regexp_replace(one, '^storage\.', '') from unnest(expected) one), false) $$;
create function storage.allow_only_operation(expected text) returns boolean language sql stable as
  $$ select storage.allow_any_operation(array[expected]) $$;

-- Whose a file is -------------------------------------------------------------------------------------
-- A client's files lie in a folder named by the client's id, written in one way only.
create function storage.client_of(name text) returns uuid language sql immutable parallel safe as
  $$ select case when name ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}/'
            then split_part(name, '/', 1)::uuid end $$;
create function storage.is_of_clients(bucket_id text) returns boolean language sql immutable parallel safe as
  $$ select coalesce(bucket_id in ('client-documents', 'client-insurance-cards', 'telehealth-consents',
                                   'client-signatures', 'session-recordings'), false) $$;
create function storage.is_client(client uuid) returns boolean language sql stable as
  $$ select exists (select from public.client c
                     where c.id = client and c.practice_id = app.practice()) $$;
-- A clinician's clients are those who have or had an appointment with them.
create function storage.in_caseload(client uuid) returns boolean language sql stable as
  $$ select exists (
       select from public.appointment a join public.app_user u on u.id = app.user_id()
        where a.client_id = client and a.practice_id = app.practice() and a.status = 'scheduled'
          and a.drill is null and lower(a.clinician_email) = lower(u.email)) $$;

-- Policies ---------------------------------------------------------------------------------------------
-- A policy's name begins with the role it opens for, or with `staff`; those that only close have
-- another. storage.refused_by() reads them.
alter table storage.buckets enable row level security;
create policy within_practice on storage.buckets as restrictive to authenticated
  using (practice_id = (select app.practice()));
create policy staff_knows_buckets on storage.buckets for select to authenticated
  using ((select app.is_staff()));
create policy administrator_makes_buckets on storage.buckets for insert to authenticated
  with check ((select app.practice_role()) = 'administrator');
create policy administrator_changes_buckets on storage.buckets for update to authenticated
  using ((select app.practice_role()) = 'administrator');
create policy administrator_deletes_buckets on storage.buckets for delete to authenticated
  using ((select app.practice_role()) = 'administrator' and not storage.is_of_clients(id)
         and id <> 'test-documents');
create policy worker_of_practice on storage.buckets for select to mentalspace_worker
  using (practice_id = (select app.practice()));
call app.oversee('storage.buckets', 'mentalspace_dispatcher');
call app.oversee('storage.buckets', 'mentalspace_oncall');
grant select on storage.buckets to
  authenticated, mentalspace_worker, mentalspace_dispatcher, mentalspace_oncall;
grant insert, delete on storage.buckets to authenticated;
grant update (name, file_size_limit, allowed_mime_types, updated_at) on storage.buckets
  to authenticated;

alter table storage.file enable row level security;
create policy within_practice on storage.file as restrictive to authenticated
  using (practice_id = (select app.practice()));
create policy in_a_clients_folder on storage.file as restrictive to authenticated
  using (true)
  with check (not storage.is_of_clients(bucket_id) or storage.is_client(storage.client_of(name)));
create policy administrator_files on storage.file to authenticated
  using ((select app.practice_role()) = 'administrator'
         and bucket_id is distinct from 'session-recordings');
create policy front_desk_files on storage.file to authenticated
  using ((select app.practice_role()) = 'front_desk'
         and bucket_id in ('client-documents', 'client-insurance-cards', 'telehealth-consents',
                           'client-signatures'));
create policy clinician_caseload on storage.file to authenticated
  using ((select app.practice_role()) = 'clinician' and storage.is_of_clients(bucket_id)
         and storage.in_caseload(storage.client_of(name)));
create policy biller_cards on storage.file to authenticated
  using ((select app.practice_role()) = 'biller' and bucket_id = 'client-insurance-cards');
create policy staff_tests on storage.file to authenticated
  using ((select app.is_staff()) and bucket_id = 'test-documents');
create policy client_reads_own on storage.file for select to authenticated
  using ((select app.practice_role()) = 'client' and storage.is_of_clients(bucket_id)
         and bucket_id <> 'session-recordings'
         and storage.client_of(name) = (select app.client_id()));
create policy client_adds_own on storage.file for insert to authenticated
  with check ((select app.practice_role()) = 'client' and storage.is_of_clients(bucket_id)
              and bucket_id <> 'session-recordings'
              and storage.client_of(name) = (select app.client_id())
              and owner_id = (select app.user_id())::text);
-- What they sent themselves; a signed consent stays as it was signed.
create policy client_replaces_own on storage.file for update to authenticated
  using ((select app.practice_role()) = 'client'
         and bucket_id in ('client-documents', 'client-insurance-cards')
         and storage.client_of(name) = (select app.client_id())
         and owner_id = (select app.user_id())::text);
grant select, insert, delete on storage.file to authenticated;
grant update (bucket_id, name, owner, owner_id, updated_at, last_accessed_at, metadata, version,
              user_metadata) on storage.file to authenticated;
-- Whoever tidies up and counts sees sizes and the names of bytes, never a file's own.
call app.oversee('storage.file', 'mentalspace_dispatcher');
grant select (practice_id, id, bucket_id, version, created_at, updated_at, metadata)
  on storage.file to mentalspace_dispatcher;

-- For whoever puts a file into a bucket: what it takes. People who may put one there need not be
-- able to list buckets. As its owner: pg_temp last, or a temporary table would be found first.
create function storage.limits_of(bucket text)
returns table (file_size_limit bigint, allowed_mime_types text[])
language sql stable security definer set search_path = app, pg_catalog, public, pg_temp as $$
  select b.file_size_limit, b.allowed_mime_types from storage.buckets b
   where b.practice_id = app.practice() and b.id = bucket
$$;

-- Why somebody with the claims `who` was refused: the policy that closed, or those of their role
-- that would have had to open; null if nothing refuses, or there is nothing to be refused. It asks
-- the policies themselves, so that it cannot differ from them. For audit and doctor, who tell
-- nobody. `verb` is select, insert, update or delete.
create function storage.refused_by(who jsonb, verb text, bucket text, object_name text)
returns text language plpgsql security definer
set search_path = app, pg_catalog, public, pg_temp as $$
declare
  kept    text := current_setting('request.jwt.claims', true);
  as_role text := coalesce(who ->> 'practice_role', '');
  row_of  storage.file;
  policy  record;
  holds   boolean;
  opened  boolean := false;
  closed  text;
  lacked  text[] := '{}';
begin
  select * into row_of from storage.file f
   where f.practice_id = (who ->> 'practice')::uuid and f.bucket_id = bucket
     and f.name = object_name;
  if not found then
    if verb <> 'insert' then
      return null;
    end if;
    row_of.practice_id := (who ->> 'practice')::uuid;
    row_of.bucket_id := bucket;
    row_of.name := object_name;
    row_of.owner_id := who ->> 'sub';
  end if;
  perform set_config('request.jwt.claims', who::text, true);
  for policy in
    select p.polname::text as name, p.polpermissive as opens,
           pg_get_expr(case verb when 'insert' then coalesce(p.polwithcheck, p.polqual)
                                 else p.polqual end, p.polrelid) as condition
      from pg_policy p
     where p.polrelid = 'storage.file'::regclass
       and p.polroles @> array[(select oid from pg_roles where rolname = 'authenticated')]
       and p.polcmd::text in ('*', case verb when 'select' then 'r' when 'insert' then 'a'
                                       when 'update' then 'w' else 'd' end)
     order by p.polname
  loop
    execute format('select coalesce((%s), false) from (select ($1).*) as file', policy.condition)
      into holds using row_of;
    if policy.opens and holds then
      opened := true;
    elsif policy.opens and starts_with(policy.name, as_role || '_') then
      lacked := lacked || policy.name;
    elsif not policy.opens and not holds then
      closed := coalesce(closed, policy.name);
    end if;
  end loop;
  perform set_config('request.jwt.claims', coalesce(kept, ''), true);
  return case when closed is not null then closed
              when opened then null
              when lacked = '{}' then 'no policy for ' || as_role
              else array_to_string(lacked, ', ') end;
end $$;
revoke all on function storage.refused_by(jsonb, text, text, text) from public;
grant execute on function storage.refused_by(jsonb, text, text, text)
  to mentalspace_worker, mentalspace_dispatcher, mentalspace_oncall;

-- What an on-call engineer sees: every file of every practice, under no name that a person gave.
create function storage.masked_name(name text) returns text language sql immutable parallel safe as
  $$ select coalesce(storage.client_of(name)::text || '/', '') || '***' ||
       coalesce('.' || substring(lower(name) from '\.(pdf|jpe?g|png|webm|mp4|mp3|ogg|wav)$'), '') $$;
create view storage.objects as
  select id, practice_id, bucket_id, storage.masked_name(name) as name, owner, owner_id, created_at,
         updated_at, last_accessed_at,
         jsonb_build_object('size', metadata -> 'size', 'mimetype', metadata -> 'mimetype')
           as metadata,
         string_to_array(storage.masked_name(name), '/') as path_tokens, version,
         null::jsonb as user_metadata, archived_at, is_delete_marker, is_versioned
    from storage.file;
grant select on storage.objects to mentalspace_oncall;

-- A practice's buckets ----------------------------------------------------------------------------------
create function storage.furnish(practice uuid) returns void
language sql security definer set search_path = app, pg_catalog, public, pg_temp as $$
  insert into storage.buckets (practice_id, id, name, file_size_limit, allowed_mime_types)
  select practice, id, id, 50000000, types
    from (values
      ('client-documents',       array['application/pdf', 'image/jpeg', 'image/png']),
      ('client-insurance-cards', array['application/pdf', 'image/jpeg', 'image/png']),
      ('telehealth-consents',    array['application/pdf', 'image/jpeg', 'image/png']),
      ('client-signatures',      array['application/pdf', 'image/jpeg', 'image/png']),
      ('session-recordings',     array['audio/mpeg', 'audio/mp4', 'audio/ogg', 'audio/wav',
                                       'audio/webm', 'video/mp4', 'video/webm'])
    ) as usual (id, types)
  union all
  -- Where the clock moves it is no production.
  select practice, 'test-documents', 'test-documents', 50000000,
         array['application/pdf', 'image/jpeg', 'image/png']
    from app.clock where movable
  on conflict do nothing
$$;
revoke all on function storage.furnish(uuid) from public;

create function storage.furnish_new() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  perform storage.furnish(new.id);
  return null;
end $$;
create trigger practice_has_buckets after insert on public.practice
  for each row execute function storage.furnish_new();
select storage.furnish(id) from public.practice;
