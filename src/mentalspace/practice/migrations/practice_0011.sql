-- A code that lets a client in, once. Whoever asks for an address that is nobody's has a row as
-- well, without a client: its checks fail like any other's. Real time, like all of a log-in's.
create table one_time_code (
  id           uuid primary key default gen_random_uuid(),
  attempt_hash bytea not null unique,          -- SHA-256 of the cookie: no other session's code
  user_id      uuid references app_user,
  practice_id  uuid references practice,
  client_id    uuid references client,
  code_tag     bytea not null,                 -- keyed, over the client, the attempt and the code
  checks       integer not null default 0,
  created_at   timestamptz not null default clock_timestamp(),
  expires_at   timestamptz not null,
  used_at      timestamptz,
  voided_at    timestamptz                     -- a newer one took its place
);
create index one_time_code_of on one_time_code (user_id) where used_at is null and voided_at is null;
create index one_time_code_old on one_time_code (expires_at);
alter table one_time_code enable row level security;
call app.oversee('one_time_code', 'mentalspace_door');
grant select, insert, update on one_time_code to mentalspace_door;

-- What somebody tried, for limits that hold over all processes. Keyed hashes: no address, no number.
create table attempt_limit (
  key_hash  bytea not null,
  at        timestamptz not null default clock_timestamp(),
  forget_at timestamptz not null
);
create index attempt_limit_of on attempt_limit (key_hash, at);
create index attempt_limit_old on attempt_limit (forget_at);
alter table attempt_limit enable row level security;
call app.oversee('attempt_limit', 'mentalspace_door');
grant select, insert on attempt_limit to mentalspace_door;

-- These run as their owner: pg_temp last, or a caller's temporary table would be found first.

-- For the door: the one client whom an address or a number belongs to, if no second factor guards
-- the log-in and they are nobody's staff. A number that two of them share names neither.
create function app.client_to_text(address text, number text)
returns table (user_id uuid, practice_id uuid, client_id uuid, phone text, email text, language text)
language sql stable security definer set search_path = app, pg_catalog, public, pg_temp as $$
  with found as (
    select u.id as user_id, m.practice_id, c.id as client_id, c.phone, u.email, c.language
      from public.app_user u
      join public.membership m on m.user_id = u.id and m.role = 'client'
      join public.client c on c.id = m.client_id
     where u.active and (lower(u.email) = lower(address) or number is not null
            and right(regexp_replace(c.phone, '\D', '', 'g'), 10) = right(number, 10))
       and not exists (select from public.membership s where s.user_id = u.id and s.role <> 'client')
       and not exists (select from public.second_factor f
                        where f.user_id = u.id and f.enrolled_at is not null))
  select f.* from found f where (select count(distinct found.user_id) from found) = 1
   order by f.practice_id limit 1
$$;
revoke all on function app.client_to_text(text, text) from public;
grant execute on function app.client_to_text(text, text) to mentalspace_door;

-- For the dispatcher: a code's text is wiped once it is used or over, and what log-ins leave behind
-- is thrown away. A client's used invitation stays: it says since when they are in the portal.
create function app.forget_log_ins() returns void
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  update public.delivery d set payload = null, purged_at = app.now()
    from public.one_time_code c
   where d.subject_type = 'one_time_code' and d.subject_id = c.id and d.payload is not null
     and d.status not in ('pending', 'due', 'sending', 'unknown', 'held')
     and (c.used_at is not null or c.voided_at is not null or c.expires_at < clock_timestamp());
  delete from public.one_time_code c where c.expires_at < clock_timestamp() - interval '1 d'
     and not exists (select from public.delivery d
                      where d.subject_id = c.id and d.payload is not null);
  delete from public.attempt_limit where forget_at < clock_timestamp();
  delete from public.half_log_in where created_at < clock_timestamp() - interval '1 d';
  delete from public.access_token where expires_at < clock_timestamp() - interval '7 d'
     and (user_id is not null or used_at is null);
end $$;
revoke all on function app.forget_log_ins() from public;
grant execute on function app.forget_log_ins() to mentalspace_dispatcher;
