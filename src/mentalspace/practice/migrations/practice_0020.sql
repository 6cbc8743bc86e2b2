-- What a held message or webhook says is private. Whoever must know gives a reason, is written down,
-- and may look for a quarter of an hour: the glass is broken. Nobody writes here but app.break_glass.
create table payload_opening (
  id          uuid primary key default gen_random_uuid(),
  practice_id uuid not null references practice,   -- whose message or webhook it is
  what        text not null check (what in ('message', 'webhook')),
  subject     uuid not null,                       -- the delivery, or the row of the inbox
  opened_by   uuid not null,
  opener      text not null,                       -- their name, for the practice
  role        text not null check (role in ('administrator', 'oncall')),
  reason      text not null check (length(btrim(reason)) between 10 and 300),
  opened_at   timestamptz not null default app.now(),
  until_at    timestamptz not null,
  check (until_at <= opened_at + interval '15 min')
);
create index payload_opening_standing on payload_opening (until_at);
create index payload_opening_of on payload_opening (subject, until_at desc);
create trigger payload_opening_append_only before update or delete on payload_opening
  for each row execute function app.refuse_change();
create trigger payload_opening_not_truncated before truncate on payload_opening
  for each statement execute function app.refuse_change();
alter table payload_opening enable row level security;
-- A reason is somebody's own words. On-call reads their colleagues', not an administrator's.
create policy oncall_sees on payload_opening for select to mentalspace_oncall
  using (role = 'oncall');
create policy administrator_sees on payload_opening for select to authenticated
  using (practice_id = (select app.practice()) and (select app.practice_role()) = 'administrator');
grant select on payload_opening to authenticated, mentalspace_oncall;

-- Whoever reads such a message could sign in as somebody else.
create function app.holds_a_key(kind text) returns boolean language sql immutable as
  $$ select kind in ('password_reset', 'portal_invitation', 'log_in_code') $$;

-- These run as their owner: pg_temp last, or a caller's temporary table would be found first.

-- The caller's name, if by today's membership they may break the glass in the role they claim.
create function app.glass_breaker() returns text language sql stable security definer
set search_path = app, pg_catalog, public, pg_temp as $$
  select u.name from public.membership m join public.app_user u on u.id = m.user_id and u.active
   where m.user_id = app.user_id() and m.role = app.practice_role()
     and m.role in ('administrator', 'oncall')
     and m.practice_id is not distinct from app.practice()
$$;
revoke all on function app.glass_breaker() from public;

-- The opening's id; null for what is not held, not theirs, or holds the key to somebody's account.
-- One that stands already is given again. The audit and the practice's administrators are told here.
create function app.break_glass(wanted text, about uuid, said text) returns uuid
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
declare
  breaker      text := app.glass_breaker();
  the_practice uuid;
  the_drill    text;
  opening      uuid;
begin
  if breaker is null then
    raise exception 'only an administrator or an on-call engineer breaks the glass'
      using errcode = '42501';
  end if;
  if wanted = 'message' then
    select d.practice_id, d.drill into the_practice, the_drill from public.delivery d
     where d.id = about and d.status = 'held' and d.payload is not null
       and not app.holds_a_key(d.kind);
  elsif wanted = 'webhook' then
    select i.practice_id, i.drill into the_practice, the_drill from public.inbox i
     where i.id = about and i.state = 'held';
  end if;
  if the_practice is distinct from coalesce(app.practice(), the_practice)
     or the_practice is null then
    return null;
  end if;
  -- Pressed twice it is one opening: the second waits here, and finds the first.
  perform pg_advisory_xact_lock(hashtextextended('glass/' || about, 0));
  select o.id into opening from public.payload_opening o
   where o.what = wanted and o.subject = about and o.opened_by = app.user_id()
     and o.role = app.practice_role() and o.until_at > app.now();
  if opening is not null then
    return opening;
  end if;
  insert into public.payload_opening
         (practice_id, what, subject, opened_by, opener, role, reason, until_at)
  values (the_practice, wanted, about, app.user_id(), breaker, app.practice_role(), said,
          app.now() + interval '15 min')
  returning id into opening;
  insert into public.audit (practice_id, actor, action, subject, data)
  values (the_practice, app.user_id()::text, 'payload.opened', about::text,
          jsonb_build_object('what', wanted, 'opening', opening, 'role', app.practice_role(),
                             'reason', said));
  insert into public.task (practice_id, for_role, text, delivery_id, topic, drill)
  values (the_practice, 'administrator',
          format('%s (%s) opened what a held %s says. Why stands under Audit.', breaker,
                 case app.practice_role() when 'oncall' then 'on call' else 'administrator' end,
                 wanted),
          case wanted when 'message' then about end, 'payload.opened', the_drill);
  return opening;
end $$;
revoke all on function app.break_glass(text, uuid, text) from public;
grant execute on function app.break_glass(text, uuid, text) to authenticated, mentalspace_oncall;

-- The only way to a sealed payload for a person: no row unless an opening of the caller's own stands
-- now, and one entry in the audit for every look. What is handed out is still sealed.
create function app.read_opened(wanted text, about uuid)
returns table (practice_id uuid, integration text, provider text, sealed bytea, query text,
               until_at timestamptz)
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
declare opening public.payload_opening;
begin
  if app.glass_breaker() is null then
    return;
  end if;
  select o.* into opening from public.payload_opening o
   where o.what = wanted and o.subject = about and o.opened_by = app.user_id()
     and o.role = app.practice_role()
     and o.practice_id = coalesce(app.practice(), o.practice_id) and o.until_at > app.now()
   order by o.until_at desc limit 1;
  if opening.id is null then
    return;
  end if;
  if wanted = 'message' then
    select d.practice_id, d.integration, c.provider, d.payload, ''
      into practice_id, integration, provider, sealed, query
      from public.delivery d join public.credential c on c.id = d.credential_id
     where d.id = about;
  else
    select i.practice_id, i.integration, i.provider, i.payload, i.query
      into practice_id, integration, provider, sealed, query
      from public.inbox i where i.id = about;
  end if;
  if sealed is null then
    return;
  end if;
  until_at := opening.until_at;
  insert into public.audit (practice_id, actor, action, subject, data)
  values (opening.practice_id, app.user_id()::text, 'payload.read', about::text,
          jsonb_build_object('what', wanted, 'opening', opening.id));
  return next;
end $$;
revoke all on function app.read_opened(text, uuid) from public;
grant execute on function app.read_opened(text, uuid) to authenticated, mentalspace_oncall;
