create or replace function app.write_consent() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
declare stood boolean := tg_op = 'INSERT';
begin
  if not stood and (old.lifted_at is not null or new.lifted_at is null
                    or new.lifted_how = 'superseded') then
    return null;
  end if;
  insert into public.consent_entry (practice_id, recipient_key, client_id, channel, what, reason,
                                    how, at, actor, delivery_id, evidence, note, drill)
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
          case when stood then new.note end,
          new.drill);
  return null;
end $$;
