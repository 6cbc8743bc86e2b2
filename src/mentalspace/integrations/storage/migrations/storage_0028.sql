-- What was destroyed of a client for good: who, when, why and how much; of the files themselves
-- nothing is left to say.
create table storage.shredding (
  id          uuid primary key default gen_random_uuid(),
  practice_id uuid not null references public.practice,
  client_id   uuid not null,
  reason      text not null check (length(btrim(reason)) between 3 and 1000),
  shredded_by uuid not null,
  shredded_at timestamptz not null default app.now(),
  files       integer not null,
  versions    integer not null,        -- the files' own among them
  uploads     integer not null         -- that were not whole
);
alter table storage.shredding enable row level security;
create policy administrator_reads on storage.shredding for select to authenticated
  using (practice_id = (select app.practice()) and (select app.practice_role()) = 'administrator');
grant select on storage.shredding to authenticated;

-- An administrator's word that a client's documents are to end: their key is emptied, and the rows of
-- their files, removed versions and unfinished uploads go with what was wrapped under it. Uploads that
-- are just being named end first, because they hold the key; what comes later is under a new one.
-- Bytes and copies are the caller's to destroy. Nothing under a hold is (55006).
create function storage.shred(client uuid, why text)
returns table (shredding uuid, file_count integer, gone text[], begun uuid[])
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  if app.practice_role() is distinct from 'administrator' then
    raise exception 'only administrators shred' using errcode = '42501';
  end if;
  perform storage.await_holds(app.practice());
  if exists (select from storage.hold h
              where h.practice_id = app.practice() and h.lifted_at is null
                and (h.kind = 'client' and h.held_id = client
                     or h.kind = 'file' and exists (
                       select from storage.file f
                        where f.id = h.held_id and f.practice_id = h.practice_id
                          and storage.client_of(f.name) = client)
                     or h.kind = 'file' and exists (
                       select from storage.archived a
                        where a.file_id = h.held_id and a.practice_id = h.practice_id
                          and storage.client_of(a.name) = client))) then
    raise exception 'under a legal hold' using errcode = '55006';
  end if;
  -- Files before their key, as whoever replaces one takes them.
  perform from storage.file f
    where f.practice_id = app.practice() and storage.client_of(f.name) = client for update;
  update storage.key k set sealed = null, destroyed_at = app.now()
   where k.practice_id = app.practice() and k.whose = client and k.sealed is not null;
  delete from storage.file f
   where f.practice_id = app.practice() and storage.client_of(f.name) = client;
  get diagnostics file_count = row_count;
  with removed as (
    delete from storage.archived a
     where a.practice_id = app.practice()
       and (storage.client_of(a.name) = client
            or a.key_id in (select k.id from storage.key k
                             where k.practice_id = app.practice() and k.whose = client))
    returning a.version
  ) select coalesce(array_agg(version order by version), '{}') into gone from removed;
  with removed as (
    delete from storage.upload u
     where u.practice_id = app.practice() and storage.client_of(u.name) = client
    returning u.id
  ) select coalesce(array_agg(id), '{}') into begun from removed;
  insert into storage.shredding (practice_id, client_id, reason, shredded_by, files, versions, uploads)
  values (app.practice(), client, why, app.user_id(), file_count, cardinality(gone),
          cardinality(begun))
  returning id into shredding;
  return next;
end $$;
revoke all on function storage.shred(uuid, text) from public;
grant execute on function storage.shred(uuid, text) to authenticated;
