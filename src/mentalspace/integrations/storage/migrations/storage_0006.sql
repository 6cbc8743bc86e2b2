-- Every signed link has a row, and holds while the row says so. A guarded one is for one document,
-- may be for one person or one role, or for one use, and its token names nothing but the row.
create table storage.link (
  id           uuid primary key,                       -- the token's jti
  practice_id  uuid not null references public.practice,
  scope        text not null check (scope in ('download', 'upload')),
  file_id      uuid,                                   -- none yet, for a link to put one in
  maker_id     uuid not null,                          -- as whom it reads
  maker_role   text not null,
  maker_client uuid,
  guarded      boolean not null default false,
  one_time     boolean not null default false,
  for_user     uuid,
  for_role     text check (for_role in ('administrator', 'clinician', 'biller', 'front_desk')),
  created_at   timestamptz not null default app.now(),
  expires_at   timestamptz not null,
  used_at      timestamptz,                            -- first; of a guarded one
  uses         integer not null default 0,
  revoked_at   timestamptz,
  revoked_by   uuid,
  check (guarded or (not one_time and for_user is null and for_role is null)),
  check (not guarded or (scope = 'download' and file_id is not null)),
  check (for_user is null or for_role is null)
);
create index link_of_file on storage.link (practice_id, file_id, expires_at);
create index link_by_end on storage.link (expires_at);
alter table storage.link enable row level security;
create policy within_practice on storage.link as restrictive to authenticated
  using (practice_id = (select app.practice()));
create policy maker_makes on storage.link for insert to authenticated
  with check (maker_id = (select app.user_id()) and maker_role = (select app.practice_role())
              and maker_client is not distinct from (select app.client_id()));
create policy maker_or_administrator_sees on storage.link for select to authenticated
  using (maker_id = (select app.user_id()) or (select app.practice_role()) = 'administrator');
create policy maker_or_administrator_ends on storage.link for update to authenticated
  using (maker_id = (select app.user_id()) or (select app.practice_role()) = 'administrator');
create policy worker_of_practice on storage.link for select to mentalspace_worker
  using (practice_id = (select app.practice()));
grant select, insert on storage.link to authenticated;
grant update (revoked_at, revoked_by) on storage.link to authenticated;
grant select on storage.link to mentalspace_worker;

-- How a link stands for whoever holds it. As its owner, because the holder may be anybody:
-- pg_temp last, or a caller's temporary table would be found first.
create function storage.link_state(the_id uuid, visitor uuid, visitor_role text) returns text
language sql stable security definer set search_path = app, pg_catalog, public, pg_temp as $$
  select coalesce((
    select case when l.revoked_at is not null then 'revoked'
                when l.expires_at <= app.now() then 'expired'
                when l.one_time and l.used_at is not null then 'used'
                when l.for_user is distinct from visitor and l.for_user is not null
                  or l.for_role is distinct from visitor_role and l.for_role is not null
                  then 'for_somebody_else'
                else 'open' end
      from storage.link l where l.id = the_id and l.practice_id = app.practice()), 'unknown')
$$;
revoke all on function storage.link_state(uuid, uuid, text) from public;
grant execute on function storage.link_state(uuid, uuid, text)
  to authenticated, mentalspace_worker;

-- Uses a guarded link. One statement decides who was first, between processes and hosts too: who
-- comes second waits for the row, and then does not fit any more.
create function storage.use_link(the_id uuid, visitor uuid, visitor_role text) returns text
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  update storage.link l set used_at = coalesce(l.used_at, app.now()), uses = l.uses + 1
   where l.id = the_id and l.practice_id = app.practice() and l.guarded
     and l.revoked_at is null and l.expires_at > app.now()
     and (not l.one_time or l.used_at is null)
     and (l.for_user is null or l.for_user = visitor)
     and (l.for_role is null or l.for_role = visitor_role);
  if found then
    return 'open';
  end if;
  return nullif(storage.link_state(the_id, visitor, visitor_role), 'open');
end $$;
revoke all on function storage.use_link(uuid, uuid, text) from public;
grant execute on function storage.use_link(uuid, uuid, text) to authenticated;

-- A reader who fetches one file in a hundred stretches has read it once.
create table storage.reading (
  practice_id uuid not null references public.practice,
  version     text not null,
  reader      text not null,                   -- a person, or the link that nobody signed in for
  via         text not null,                   -- the link's id, or nothing
  until       timestamptz not null,            -- a stretch before then is of the same reading
  primary key (practice_id, version, reader, via)
);
create index reading_by_end on storage.reading (until);
alter table storage.reading enable row level security;
create policy worker_of_practice on storage.reading to mentalspace_worker
  using (practice_id = (select app.practice()));
grant select, insert, update on storage.reading to mentalspace_worker;

-- For the sweeper: readings that are over, and links a month after their end. The audit keeps both.
create function storage.forget_old() returns void
language sql security definer set search_path = app, pg_catalog, public, pg_temp as $$
  delete from storage.reading where until < app.now() - interval '1 day';
  delete from storage.link where expires_at < app.now() - interval '30 days';
$$;
revoke all on function storage.forget_old() from public;
grant execute on function storage.forget_old() to mentalspace_dispatcher;
