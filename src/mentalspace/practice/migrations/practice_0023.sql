-- What could not be written into the audit at once: a lock on another table keeps nobody from taking
-- an incident. It is moved into its chain once the lock is gone.
create table audit_owed (
  id          bigint generated always as identity primary key,
  at          timestamptz not null default app.now(),
  practice_id uuid,
  actor       text not null,
  action      text not null,
  subject     text
);
alter table audit_owed enable row level security;

-- One act of a person, by their id where the database knows it, else by the word it was done under.
create function app.audit_act(the_practice uuid, word text, did text, about text) returns void
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp
set lock_timeout = '500ms' as $$
declare
  who text := coalesce(app.user_id()::text, word);
begin
  -- A group's members are many: the first that waits in vain has waited for all of them.
  if coalesce(current_setting('app.audit_waits', true), '') <> 'on' then
    begin
      insert into public.audit (practice_id, actor, action, subject)
      values (the_practice, who, did, about);
      return;
    exception when lock_not_available then
      perform set_config('app.audit_waits', 'on', true);
    end;
  end if;
  insert into public.audit_owed (practice_id, actor, action, subject)
  values (the_practice, who, did, about);
end $$;
revoke all on function app.audit_act(uuid, text, text, text) from public;

create function app.pay_audit() returns bigint
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
declare
  paid bigint;
begin
  with owed as (delete from public.audit_owed returning *)
  insert into public.audit (at, practice_id, actor, action, subject)
  select at, practice_id, actor, action, subject from owed order by id;
  get diagnostics paid = row_count;
  return paid;
end $$;
revoke all on function app.pay_audit() from public;
grant execute on function app.pay_audit() to mentalspace_dispatcher;

-- Wherever a person's act is written into the timeline it is written into the audit. Neither a note
-- nor a reason goes along: they stay in the timeline. What was done to many messages at once is one
-- entry, about none of them.
create function app.audit_line() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
declare
  told    text := coalesce(current_setting('app.audit_told', true), '');
  is_many boolean := new.kind in ('asked_once_more', 'put_away')
                     or new.kind = 'released' and new.data ? 'replay'
                     or new.kind = 'given_up' and new.data ? 'reason';
  did     text := case
    when new.incident_id is not null
      then 'incident.' || coalesce(case new.kind when 'acted' then new.data ->> 'act' end, new.kind)
    when new.kind = 'acted' then 'lane.' || (new.data ->> 'act')
    when new.delivery_id is null then 'on_call.' || new.kind
    when is_many then 'messages.' || new.kind
    else 'message.' || new.kind end;
  about   text := case when not is_many then
    coalesce(new.incident_id, new.lane_id, new.delivery_id)::text end;
begin
  if did like 'message.%' then
    about := new.delivery_id::text;
  elsif did like 'on_call.%' then
    about := coalesce(new.data ->> 'override', new.data ->> 'layer');
  end if;
  -- The demo's past, and whoever acts without being anybody.
  if new.at < app.now() - interval '1 min' or app.user_id() is null and (new.drill is not null
     or new.actor in ('worker', 'dispatcher', 'evaluator', 'pager', 'system', 'runbook', 'watchman',
                      'drill', 'demo')) then
    return null;
  end if;
  if is_many then
    if position(did || new.practice_id in told) > 0 then
      return null;
    end if;
    perform set_config('app.audit_told', told || ' ' || did || new.practice_id, true);
  end if;
  perform app.audit_act(
    coalesce(new.practice_id, (select i.practice_id from public.incident i
                                where i.id = new.incident_id)),
    new.actor, did, about);
  return null;
end $$;
-- A secret that was entered stands in the audit already, with its credential.
create trigger timeline_is_audited after insert on timeline for each row
  when (new.kind in ('acknowledged', 'resolved', 'archived', 'unarchived', 'step_done',
                     'ticket_closed', 'released', 'sent_again', 'given_up', 'marked_sent',
                     'asked_once_more', 'put_away', 'rotation_set', 'rotation_ended',
                     'override_made', 'override_called_off')
        or new.kind = 'acted' and new.data ->> 'act' <> 'secret')
  execute function app.audit_line();

create function app.audit_silence() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    perform app.audit_act(new.practice_id, new.created_by, 'silence.made', new.id::text);
  else
    perform app.audit_act(new.practice_id, new.lifted_by, 'silence.lifted', new.id::text);
  end if;
  return null;
end $$;
create trigger silence_is_audited after insert on alert_silence
  for each row execute function app.audit_silence();
create trigger lifting_is_audited after update on alert_silence
  for each row when (old.lifted_at is null and new.lifted_at is not null)
  execute function app.audit_silence();

-- Whoever is on call acts everywhere: each practice may know who that was, and so may colleagues.
create function app.oncall_names(asked uuid[]) returns table (id uuid, name text)
language sql stable security definer set search_path = app, pg_catalog, public, pg_temp as $$
  select u.id, u.name from public.app_user u
   where u.id = any (asked)
     and exists (select from public.membership m where m.user_id = u.id and m.role = 'oncall')
$$;
revoke all on function app.oncall_names(uuid[]) from public;
grant execute on function app.oncall_names(uuid[]) to authenticated, mentalspace_oncall;

-- What people did, without all that goes on by itself.
create index audit_of_people on audit (id desc)
  where actor not in ('00000000-0000-0000-0000-000000000000', 'system');
create index audit_of_people_there on audit (practice_id, id desc)
  where actor not in ('00000000-0000-0000-0000-000000000000', 'system');
