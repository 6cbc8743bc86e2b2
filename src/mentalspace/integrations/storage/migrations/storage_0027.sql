-- A legal hold: an administrator's word that nothing of a file, or of a client, is destroyed until
-- it is lifted. Replacing and deleting go on, because they destroy nothing.
create table storage.hold (
  id             uuid primary key default gen_random_uuid(),
  practice_id    uuid not null references public.practice,
  kind           text not null check (kind in ('file', 'client')),
  held_id        uuid not null,
  reason         text not null check (length(btrim(reason)) between 3 and 1000),
  held_by        uuid not null,
  held_at        timestamptz not null default app.now(),
  follows        uuid references storage.hold,     -- one whose file went elsewhere; it ends with that
  lifted_by      uuid,
  lifted_at      timestamptz,
  lifted_because text check (length(btrim(lifted_because)) between 3 and 1000),
  check (num_nonnulls(lifted_by, lifted_at, lifted_because) in (0, 3))
);
create index hold_in_force on storage.hold (practice_id, held_id) where lifted_at is null;
create index hold_follows on storage.hold (follows) where follows is not null;
alter table storage.hold enable row level security;
create policy within_practice on storage.hold as restrictive to authenticated
  using (practice_id = (select app.practice()));
create policy administrator_alone_holds on storage.hold as restrictive for insert to authenticated
  with check ((select app.practice_role()) = 'administrator' and held_by = (select app.user_id()));
create policy administrator_alone_lifts on storage.hold as restrictive for update to authenticated
  using ((select app.practice_role()) = 'administrator')
  with check (lifted_by = (select app.user_id()));
create policy staff_sees_holds on storage.hold for select to authenticated
  using ((select app.is_staff()));
create policy staff_holds on storage.hold for insert to authenticated
  with check ((select app.is_staff()));
create policy staff_lifts on storage.hold for update to authenticated
  using ((select app.is_staff()));
grant select, insert (practice_id, kind, held_id, reason, held_by),
      update (lifted_by, lifted_at, lifted_because) on storage.hold to authenticated;

-- Who holds and who destroys wait for each other, so that no hold is given while what it is for is
-- being destroyed. Before the audit's chain, always, or the two would meet in another order.
create function storage.await_holds(practice uuid) returns void language sql as
  $$ select pg_advisory_xact_lock(hashtextextended('storage.hold ' || practice, 0)) $$;
create function storage.hold_waits() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  perform storage.await_holds(new.practice_id);
  if new.follows is null then
    new.held_by := coalesce(app.user_id(), new.held_by);
  end if;
  if new.kind = 'file'
     and not exists (select from storage.file f
                      where f.practice_id = new.practice_id and f.id = new.held_id)
     and not exists (select from storage.archived a
                      where a.practice_id = new.practice_id and a.file_id = new.held_id) then
    raise exception 'nothing is there to be held' using errcode = 'P0002';
  end if;
  return new;
end $$;
create trigger hold_waits before insert on storage.hold
  for each row execute function storage.hold_waits();

create function storage.is_held(practice uuid, file uuid, file_name text) returns boolean
language sql stable security definer set search_path = app, pg_catalog, public, pg_temp as $$
  select exists (
    select from storage.hold h
     where h.practice_id = practice and h.lifted_at is null
       and (h.kind = 'file' and h.held_id = file
            or h.kind = 'client' and h.held_id = storage.client_of(file_name)))
$$;
revoke all on function storage.is_held(uuid, uuid, text) from public;
-- For those who read: of their own practice, and for staff.
create function storage.held(file uuid, file_name text) returns boolean
language sql stable security definer set search_path = app, pg_catalog, public, pg_temp as
  $$ select app.is_staff() and storage.is_held(app.practice(), file, file_name) $$;
revoke all on function storage.held(uuid, text) from public;
grant execute on function storage.held(uuid, text) to authenticated;

-- What was held stays held where it goes: into another client's folder, or into another file.
create function storage.let_holds_follow(practice uuid, file uuid, client uuid, to_file uuid)
returns void
language sql security definer set search_path = app, pg_catalog, public, pg_temp as $$
  insert into storage.hold (practice_id, kind, held_id, reason, held_by, held_at, follows)
  select h.practice_id, 'file', to_file, h.reason, h.held_by, h.held_at, coalesce(h.follows, h.id)
    from storage.hold h
   where h.practice_id = practice and h.lifted_at is null
     and (h.kind = 'client' and h.held_id = client
          or h.kind = 'file' and h.held_id = file and file <> to_file)
$$;
revoke all on function storage.let_holds_follow(uuid, uuid, uuid, uuid) from public;
create function storage.move_keeps_holds() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  perform storage.await_holds(old.practice_id);
  perform storage.let_holds_follow(old.practice_id, old.id, storage.client_of(old.name), new.id);
  return null;
end $$;
create trigger move_keeps_holds after update of name on storage.file
  for each row when (storage.client_of(new.name) is distinct from storage.client_of(old.name))
  execute function storage.move_keeps_holds();
create function storage.lift_followers() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  update storage.hold set lifted_by = new.lifted_by, lifted_at = new.lifted_at,
                          lifted_because = new.lifted_because
   where follows = new.id and lifted_at is null;
  return null;
end $$;
create trigger followers_are_lifted after update of lifted_at on storage.hold
  for each row when (old.lifted_at is null and new.lifted_at is not null)
  execute function storage.lift_followers();

-- No statement at all, whoever's, takes a held version out of the archive, unless a file has it.
create function storage.held_stays() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  if storage.is_held(old.practice_id, old.file_id, old.name)
     and not exists (select from storage.file f
                      where f.practice_id = old.practice_id and f.version = old.version) then
    raise exception 'the version is under a legal hold' using errcode = '42501';
  end if;
  return old;
end $$;
create trigger held_stays before delete on storage.archived
  for each row execute function storage.held_stays();
-- Nor destroys a key of what is held.
create function storage.held_key_stays() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  if exists (select from storage.hold h
              where h.practice_id = old.practice_id and h.lifted_at is null
                and h.kind = 'client' and h.held_id = old.whose)
     or exists (select from storage.file f
                 where f.key_id = old.id and storage.is_held(f.practice_id, f.id, f.name))
     or exists (select from storage.archived a
                 where a.key_id = old.id and storage.is_held(a.practice_id, a.file_id, a.name)) then
    raise exception 'the key is of what is under a legal hold' using errcode = '42501';
  end if;
  return new;
end $$;
create trigger held_key_stays before update of sealed on storage.key
  for each row when (old.sealed is not null and new.sealed is null)
  execute function storage.held_key_stays();

create or replace function storage.purge(most integer, those text[] default null)
returns table (version text, file_id uuid, bucket_id text)
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  perform storage.await_holds(app.practice());
  return query
  with due as (
    select a.practice_id, a.version from storage.archived a
     where a.practice_id = app.practice() and a.purge_at <= app.now()
       and (those is null or a.version = any (those))
       and not storage.is_held(a.practice_id, a.file_id, a.name)
       and not exists (select from storage.file f
                        where f.practice_id = a.practice_id and f.version = a.version)
     order by a.purge_at limit most for update skip locked
  )
  delete from storage.archived a using due d
   where a.practice_id = d.practice_id and a.version = d.version
  returning a.version, a.file_id, a.bucket_id;
end $$;

-- A version that a file has again leaves the archive; what held it holds that file. False if it was
-- purged meanwhile.
create function storage.take_out(the_version text, the_file uuid) returns boolean
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
declare
  kept  storage.archived;
  again storage.file;
begin
  perform storage.await_holds(app.practice());
  select * into strict again from storage.file f
   where f.practice_id = app.practice() and f.id = the_file and f.version = the_version;
  select * into kept from storage.archived a
   where a.practice_id = app.practice() and a.version = the_version for update;
  if not found then
    return false;
  end if;
  perform storage.let_holds_follow(
    kept.practice_id, kept.file_id,
    nullif(storage.client_of(kept.name), storage.client_of(again.name)), again.id);
  delete from storage.archived a
   where a.practice_id = kept.practice_id and a.version = kept.version;
  return true;
end $$;
revoke all on function storage.take_out(text, uuid) from public;
grant execute on function storage.take_out(text, uuid) to mentalspace_worker;

-- Why somebody was refused, now of a removed version too: each by the policies of its own table.
create function storage.refusing(who jsonb, verb text, target regclass, row_of anyelement)
returns text language plpgsql security definer
set search_path = app, pg_catalog, public, pg_temp as $$
declare
  kept    text := current_setting('request.jwt.claims', true);
  as_role text := coalesce(who ->> 'practice_role', '');
  policy  record;
  holds   boolean;
  opened  boolean := false;
  closed  text;
  lacked  text[] := '{}';
begin
  perform set_config('request.jwt.claims', who::text, true);
  for policy in
    select p.polname::text as name, p.polpermissive as opens,
           pg_get_expr(case verb when 'insert' then coalesce(p.polwithcheck, p.polqual)
                                 else p.polqual end, p.polrelid) as condition
      from pg_policy p
     where p.polrelid = target
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
revoke all on function storage.refusing(jsonb, text, regclass, anyelement) from public;

create or replace function storage.refused_by(who jsonb, verb text, bucket text, object_name text)
returns text language plpgsql security definer
set search_path = app, pg_catalog, public, pg_temp as $$
declare
  row_of  storage.file;
  removed storage.archived;
begin
  select * into row_of from storage.file f
   where f.practice_id = (who ->> 'practice')::uuid and f.bucket_id = bucket
     and f.name = object_name;
  if not found then
    if verb <> 'insert' then
      select * into removed from storage.archived a
       where a.practice_id = (who ->> 'practice')::uuid and a.bucket_id = bucket
         and a.name = object_name
       order by a.archived_at desc limit 1;
      return case when found then storage.refusing(who, 'select', 'storage.archived', removed) end;
    end if;
    row_of.practice_id := (who ->> 'practice')::uuid;
    row_of.bucket_id := bucket;
    row_of.name := object_name;
    row_of.owner_id := who ->> 'sub';
  end if;
  return storage.refusing(who, verb, 'storage.file', row_of);
end $$;
create function storage.version_refused_by(who jsonb, the_version text)
returns text language plpgsql security definer
set search_path = app, pg_catalog, public, pg_temp as $$
declare
  removed storage.archived;
  row_of  storage.file;
begin
  select * into removed from storage.archived a
   where a.practice_id = (who ->> 'practice')::uuid and a.version = the_version;
  if found then
    return storage.refusing(who, 'select', 'storage.archived', removed);
  end if;
  select * into row_of from storage.file f
   where f.practice_id = (who ->> 'practice')::uuid and f.version = the_version;
  return case when found then storage.refusing(who, 'select', 'storage.file', row_of) end;
end $$;
revoke all on function storage.version_refused_by(jsonb, text) from public;
grant execute on function storage.version_refused_by(jsonb, text) to mentalspace_worker;
