-- Uploads that are on their way in pieces. How far one has come stands in no row: it is the length
-- of what lies on the disk under its id. A whole one stays until it expires, so that whoever lost
-- our last answer can ask again.
create table storage.upload (
  practice_id   uuid not null,
  id            uuid primary key,
  bucket_id     text not null,
  name          text collate "C" not null check (length(name) between 1 and 1024),
  owner_id      uuid not null,                     -- whoever began it, or made the link it uses
  upsert        boolean not null,
  length_bytes  bigint check (length_bytes >= 0),  -- null until it is known
  media_type    text not null,
  cache_control text not null,
  user_metadata jsonb,
  told          text not null check (length(told) <= 16384),  -- Upload-Metadata, as it was sent
  created_at    timestamptz not null default app.now(),
  expires_at    timestamptz not null,
  object_id     uuid,                              -- what became of it
  finished_at   timestamptz,
  check ((object_id is null) = (finished_at is null)),
  check (finished_at is null or length_bytes is not null),
  foreign key (practice_id, bucket_id) references storage.buckets on delete cascade
);
create index upload_expiry on storage.upload (expires_at);
create index upload_owner on storage.upload (practice_id, owner_id) where finished_at is null;

alter table storage.upload enable row level security;
create policy within_practice on storage.upload as restrictive to authenticated
  using (practice_id = (select app.practice()));
create policy own_uploads on storage.upload to authenticated
  using (owner_id = (select app.user_id()));
grant select, insert, delete on storage.upload to authenticated;
grant update (length_bytes, object_id, finished_at) on storage.upload to authenticated;
-- Whoever tidies up sees ids and times, and no name.
call app.oversee('storage.upload', 'mentalspace_dispatcher');
grant select (practice_id, id, created_at, expires_at, finished_at), delete on storage.upload
  to mentalspace_dispatcher;
