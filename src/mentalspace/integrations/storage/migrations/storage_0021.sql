-- Whose files a key is for: a client's, or the practice's own, whose id `whose` is then. Sealed for
-- the practice under the master key; a key that was destroyed leaves its row, and opens nothing.
create table storage.key (
  id           uuid primary key default gen_random_uuid(),
  practice_id  uuid not null references public.practice,
  whose        uuid not null,
  sealed       bytea,
  created_at   timestamptz not null default app.now(),
  destroyed_at timestamptz
);
create unique index key_in_use on storage.key (practice_id, whose) where sealed is not null;
alter table storage.key enable row level security;
create policy worker_of_practice on storage.key to mentalspace_worker
  using (practice_id = (select app.practice()));
-- To hold a key while a file is locked under it is, to PostgreSQL, an update.
grant select, insert, update (sealed, destroyed_at) on storage.key to mentalspace_worker;

-- A file's own key, wrapped under the one that `key_id` names; null of what landed before this.
alter table storage.file add key_id uuid references storage.key,
                         add locked bytea check ((locked is null) = (key_id is null));
create index file_key on storage.file (key_id);
create policy worker_locks_files on storage.file for select to mentalspace_worker
  using (practice_id = (select app.practice()));
create policy worker_keeps_keys on storage.file for update to mentalspace_worker
  using (practice_id = (select app.practice()));
grant select (practice_id, id, version, key_id, locked), update (key_id, locked)
  on storage.file to mentalspace_worker;
