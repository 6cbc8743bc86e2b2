-- Both run as their owner: pg_temp last, or a caller's temporary table would be found first.

-- Asked at the end of the transaction: the word and its projection may be written in any order.
create function app.check_agreed() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  if exists (select from public.client where id = new.id and text_agreed_at is not null)
     and not exists (select from public.consent_entry
                      where client_id = new.id and practice_id = new.practice_id
                        and channel = 'sms' and what = 'agreed' and drill is null) then
    raise exception 'nobody wrote down that this client agreed to texts'
      using errcode = '23514', constraint = 'client_agreement_is_written',
            hint = 'write the consent ledger''s entry in the same transaction';
  end if;
  return null;
end $$;
create constraint trigger client_agreement_is_written
  after insert or update of text_agreed_at on client deferrable initially deferred
  for each row when (new.text_agreed_at is not null) execute function app.check_agreed();

-- What a client says of texts holds for whatever number of theirs comes next, and for what waits.
create function app.keep_stopped_client() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  if new.what <> 'opted_out' then
    delete from public.stopped_client
     where client_id = new.client_id and integration = new.channel;
    return null;
  end if;
  insert into public.stopped_client (practice_id, integration, client_id, since)
  values (new.practice_id, new.channel, new.client_id, new.at) on conflict do nothing;
  -- The lane meets what waits for them now, while they can be told in another way.
  update public.delivery set next_attempt_at = app.now()
   where client_id = new.client_id and practice_id = new.practice_id
     and integration = new.channel and status = 'pending' and drill is null
     and not despite_suppression;
  return null;
end $$;
create trigger consent_stops_client after insert on consent_entry
  for each row when (new.channel = 'sms' and new.client_id is not null and new.drill is null
    and (new.what in ('opted_out', 'opted_in', 'agreed')
         or new.what = 'lifted' and new.reason = 'opted_out'))
  execute function app.keep_stopped_client();

insert into stopped_client (practice_id, integration, client_id, since)
select practice_id, 'sms', client_id, at from (
  select distinct on (client_id) practice_id, client_id, at, what from consent_entry
   where channel = 'sms' and client_id is not null and drill is null
     and (what in ('opted_out', 'opted_in', 'agreed') or what = 'lifted' and reason = 'opted_out')
   order by client_id, id desc) said
 where what = 'opted_out';
