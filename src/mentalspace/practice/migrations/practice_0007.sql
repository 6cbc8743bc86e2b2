-- A link that a mail carries and that lets whoever has it choose a password, once: a user's for a
-- reset, a client's for the portal. Nobody writes here but the functions below. Real time.
create table access_token (
  token_hash  bytea primary key,               -- SHA-256: who reads the table has no link
  practice_id uuid not null references practice,   -- whose mail carries it
  user_id     uuid references app_user,        -- a reset
  client_id   uuid references client,          -- an invitation,
  sent_to     text,                            --   void once the client's address is another
  language    text not null default 'en',      -- of the mail and of the page behind it
  created_at  timestamptz not null default clock_timestamp(),
  expires_at  timestamptz not null,
  used_at     timestamptz,
  voided_at   timestamptz,                     -- a newer one, or the password, took its place
  check (user_id is null or client_id is null),
  check ((sent_to is null) = (client_id is null))
);
create index access_token_of_user on access_token (user_id, created_at) where user_id is not null;
create index access_token_of_client on access_token (client_id) where client_id is not null;
alter table access_token enable row level security;
call app.oversee('access_token', 'mentalspace_door');
create policy staff_of_practice on access_token for select to authenticated
  using (practice_id = (select app.practice()) and (select app.is_staff()));
grant select (token_hash, practice_id, client_id, language, expires_at, used_at, voided_at)
  on access_token to mentalspace_door;
grant select (practice_id, client_id, created_at, expires_at, used_at, voided_at)
  on access_token to authenticated;

-- These run as their owner: pg_temp last, or a caller's temporary table would be found first.

-- For the door: no row if the address is nobody's, or has been asked for three times in an hour.
create function app.open_reset(address text, new_token_hash bytea, lasts interval)
returns table (user_id uuid, practice_id uuid, language text)
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
declare known record;
begin
  select u.id, m.practice_id, c.language into known
    from public.app_user u left join public.membership m on m.user_id = u.id
    left join public.client c on c.id = m.client_id
   where lower(u.email) = lower(address) and u.active
   order by m.role = 'client', m.practice_id nulls last limit 1 for update of u;
  if known.id is null or (select count(*) >= 3 from public.access_token t
       where t.user_id = known.id and t.created_at > clock_timestamp() - interval '1 h') then
    return;
  end if;
  user_id := known.id;
  practice_id := coalesce(known.practice_id, (select p.id from public.practice p where p.is_default));
  language := coalesce(known.language, 'en');
  insert into public.access_token (token_hash, practice_id, user_id, language, expires_at)
  values (new_token_hash, practice_id, user_id, language, clock_timestamp() + lasts);
  return next;
end $$;
revoke all on function app.open_reset(text, bytea, interval) from public;
grant execute on function app.open_reset(text, bytea, interval) to mentalspace_door;

-- For staff, held to their practice by their claims: 'invited', or why not. An address that signs
-- in as staff, or as another client of the practice, cannot be a client's as well.
create function app.invite_client(invited uuid, new_token_hash bytea, lasts interval) returns text
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
declare
  the_client public.client;
  theirs     uuid;
begin
  if not app.is_staff() then
    raise exception 'only staff invite' using errcode = '42501';
  end if;
  select * into the_client from public.client c
   where c.id = invited and c.practice_id = app.practice() for update;
  if the_client.id is null then return 'unknown'; end if;
  if the_client.email is null then return 'no_address'; end if;
  select id into theirs from public.app_user where lower(email) = lower(the_client.email);
  if exists (select from public.membership m where m.user_id = theirs and (m.role <> 'client'
       or (m.practice_id = the_client.practice_id and m.client_id <> the_client.id))) then
    return 'taken';
  end if;
  update public.access_token set voided_at = clock_timestamp()
   where client_id = invited and used_at is null and voided_at is null;
  insert into public.access_token (token_hash, practice_id, client_id, sent_to, language, expires_at)
  values (new_token_hash, the_client.practice_id, invited, the_client.email, the_client.language,
          clock_timestamp() + lasts);
  return 'invited';
end $$;
revoke all on function app.invite_client(uuid, bytea, interval) from public;
grant execute on function app.invite_client(uuid, bytea, interval) to authenticated;

-- For the door: the link's one use. No row if it is used, void, too old, or fits nobody any more.
create function app.redeem_access(the_token_hash bytea, new_password_hash text)
returns table (user_id uuid, practice_id uuid, invited boolean)
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
declare
  used       public.access_token;
  the_client public.client;
begin
  update public.access_token t set used_at = clock_timestamp()
   where t.token_hash = the_token_hash and t.used_at is null and t.voided_at is null
     and t.expires_at > clock_timestamp() returning * into used;
  if used.token_hash is null then return; end if;
  practice_id := used.practice_id;
  invited := used.client_id is not null;
  if invited then
    select * into the_client from public.client c where c.id = used.client_id;
    if lower(the_client.email) is distinct from lower(used.sent_to) then return; end if;
    insert into public.app_user (email, name, password_hash)
    values (the_client.email, the_client.name, new_password_hash) on conflict do nothing;
    select u.id into user_id from public.app_user u
     where lower(u.email) = lower(the_client.email) and u.active;
    if user_id is null or exists (select from public.membership m where m.user_id = redeem_access.user_id
         and (m.role <> 'client'
              or (m.practice_id = used.practice_id and m.client_id <> used.client_id))) then
      return;
    end if;
    insert into public.membership (user_id, practice_id, role, client_id)
    values (user_id, used.practice_id, 'client', used.client_id) on conflict do nothing;
  else
    user_id := used.user_id;
  end if;
  update public.app_user u set password_hash = new_password_hash, failed_logins = 0,
         locked_until = null where u.id = redeem_access.user_id and u.active;
  if not found then return; end if;
  update public.session s set ended_at = clock_timestamp()
   where s.user_id = redeem_access.user_id and s.ended_at is null;
  update public.access_token t set voided_at = clock_timestamp()
   where (t.user_id = redeem_access.user_id or t.client_id = used.client_id)
     and t.used_at is null and t.voided_at is null;
  return next;
end $$;
revoke all on function app.redeem_access(bytea, text) from public;
grant execute on function app.redeem_access(bytea, text) to mentalspace_door;
