create table consent_entry (
  id            bigint generated always as identity primary key,
  practice_id   uuid not null references practice,
  recipient_key text not null,              -- keyed hash, as on the delivery
  client_id     uuid references client,     -- null where nobody's address it was
  channel       text not null,              -- email, sms
  what          text not null check (what in ('agreed', 'opted_out', 'opted_in', 'bounced',
                  'complained', 'unreachable', 'asked_help', 'lifted')),
  reason        text,                       -- the suppression's own word
  how           text not null check (how in ('keyword', 'free_text', 'provider', 'webhook',
                  'check', 'staff', 'client_page')),
  at            timestamptz not null default app.now(),
  actor         text not null,
  delivery_id   uuid references delivery,   -- the message that led to it
  evidence      text,                       -- the provider's id of what somebody sent us
  note          bytea,                      -- encrypted; who asked a colleague, and how
  drill         text
);
create index consent_of_client on consent_entry (client_id, id);
create index consent_of_recipient on consent_entry (practice_id, recipient_key, id);
call app.protect('consent_entry');
grant select, insert on consent_entry to authenticated, mentalspace_worker;

-- Append-only; a new master key seals a note anew, and changes nothing else.
create function app.keep_consent() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and old.note is not null and new.note is not null
     and to_jsonb(new) - 'note' = to_jsonb(old) - 'note' then
    return new;
  end if;
  raise exception 'consent_entry is append-only' using errcode = '42501';
end $$;
create trigger consent_append_only before update or delete on consent_entry
  for each row execute function app.keep_consent();
create trigger consent_not_truncated before truncate on consent_entry
  for each statement execute function app.refuse_change();

-- Whatever suppresses or lifts writes the ledger, in the same transaction, whoever it is.
create function app.write_consent() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
declare stood boolean := tg_op = 'INSERT';
begin
  if not stood and (old.lifted_at is not null or new.lifted_at is null
                    or new.lifted_how = 'superseded') then
    return null;
  end if;
  insert into public.consent_entry (practice_id, recipient_key, client_id, channel, what, reason,
                                    how, at, actor, delivery_id, evidence, drill)
  values (new.practice_id, new.recipient_key,
          (select id from public.client
            where id = new.client_id and practice_id = new.practice_id),
          new.integration,
          case when stood then app.consent_word(new.reason)
               when new.lifted_how in ('keyword', 'free_text') then 'opted_in'
               else 'lifted' end,
          new.reason,
          case when stood then new.how else coalesce(new.lifted_how, 'staff') end,
          case when stood then new.created_at else new.lifted_at end,
          case when stood then new.actor else coalesce(new.lifted_by, 'system') end,
          new.delivery_id,
          case when stood then new.evidence else new.lifted_evidence end,
          new.drill);
  return null;
end $$;
create function app.consent_word(reason text) returns text language sql immutable as
  $$ select case when reason in ('opted_out', 'complained', 'bounced') then reason
                 else 'unreachable' end $$;
create trigger suppression_is_consent after insert or update of lifted_at on suppression
  for each row execute function app.write_consent();

-- What was decided before there was a ledger.
insert into consent_entry (practice_id, recipient_key, client_id, channel, what, reason, how, at,
                           actor, delivery_id, drill)
select s.practice_id, s.recipient_key, k.id, s.integration, told.what, s.reason, told.how, told.at,
       told.actor, s.delivery_id, s.drill
  from suppression s
  left join client k on k.id = s.client_id and k.practice_id = s.practice_id
 cross join lateral (
   values (app.consent_word(s.reason), s.how, s.created_at, s.actor),
          ('lifted', 'staff', s.lifted_at, coalesce(s.lifted_by, 'system'))
 ) as told (what, how, at, actor)
 where told.at is not null order by told.at;
