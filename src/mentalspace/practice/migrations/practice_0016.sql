-- A number that changed is dialled nowhere until somebody has read it: the old one is another's.
create function app.forget_dialled() returns trigger
language plpgsql set search_path = app, pg_catalog, public, pg_temp as $$
begin
  new.phone_e164 := null;
  new.phone_kind := null;
  new.phone_problem := null;
  new.phone_checked_at := null;
  return new;
end $$;
create trigger client_phone_changes before update of phone on client
  for each row when (old.phone is distinct from new.phone
    and old.phone_e164 is not distinct from new.phone_e164)
  execute function app.forget_dialled();
create index client_unread_phone on client (practice_id)
  where phone is not null and phone_checked_at is null;
create index client_dialled on client (phone_e164) where phone_e164 is not null;
create index membership_of_client on membership (client_id) where client_id is not null;

-- When a text ended badly and a link by mail took its place.
alter table one_time_code add column link_at timestamptz;

-- These run as their owner: pg_temp last, or a caller's temporary table would be found first.

-- For the door: the one client whom an address or a number (E.164) belongs to, if no second factor
-- guards the log-in and they are nobody's staff. A number that two of them share names neither.
create or replace function app.client_to_text(address text, number text)
returns table (user_id uuid, practice_id uuid, client_id uuid, phone text, email text, language text)
language sql stable security definer set search_path = app, pg_catalog, public, pg_temp as $$
  with asked as (
    select u.id from public.app_user u where lower(u.email) = lower(address)
    union
    select m.user_id from public.client c join public.membership m on m.client_id = c.id
     where c.phone_e164 = number
  ), found as (
    select u.id as user_id, m.practice_id, c.id as client_id, c.phone_e164 as phone, u.email,
           c.language
      from asked
      join public.app_user u on u.id = asked.id
      join public.membership m on m.user_id = u.id and m.role = 'client'
      join public.client c on c.id = m.client_id
     where u.active and (lower(u.email) = lower(address) or c.phone_e164 = number)
       and not exists (select from public.membership s where s.user_id = u.id and s.role <> 'client')
       and not exists (select from public.second_factor f
                        where f.user_id = u.id and f.enrolled_at is not null))
  select f.* from found f where (select count(distinct found.user_id) from found) = 1
   order by f.practice_id limit 1
$$;

-- For the door: of the codes whose text ended badly, one; with it a link for whoever asked, as if
-- they had asked for that. Without an address if they have a newer link, or had too many. Once.
create function app.open_link_for_code(new_token_hash bytea, lasts interval)
returns table (user_id uuid, practice_id uuid, delivery_id uuid, email text, language text)
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
declare failed record;
begin
  select c.id, c.user_id, c.practice_id, c.created_at, u.email, d.id as text_id into failed
    from public.one_time_code c join public.app_user u on u.id = c.user_id
    join public.delivery d on d.subject_type = 'one_time_code' and d.subject_id = c.id
   where c.link_at is null and c.used_at is null and c.voided_at is null
     and c.created_at > clock_timestamp() - interval '1 h'
     and d.status in ('refused', 'bounced', 'failed', 'expired')
   order by c.created_at limit 1 for update of c skip locked;
  if not found then
    return;
  end if;
  update public.one_time_code c set link_at = clock_timestamp() where c.id = failed.id;
  user_id := failed.user_id;
  practice_id := failed.practice_id;
  delivery_id := failed.text_id;
  if not exists (select from public.access_token t
                  where t.user_id = failed.user_id and t.created_at > failed.created_at) then
    select failed.email, r.language into email, language
      from app.open_reset(failed.email, new_token_hash, lasts) r;
  end if;
  return next;
end $$;
revoke all on function app.open_link_for_code(bytea, interval) from public;
grant execute on function app.open_link_for_code(bytea, interval) to mentalspace_door;
