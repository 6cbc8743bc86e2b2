-- Whom each rule looked at last and when, one row a rule: most looks see what the look before saw,
-- and a row of alert_state for each of them would be written for its time alone. The two arrays run
-- side by side; `whose` hardly ever changes, and is not written again while it does not.
create table alert_look (
  rule_id   text primary key,
  whose     uuid[] not null,
  looked_at timestamptz[] not null,
  check (cardinality(whose) = cardinality(looked_at))
) with (fillfactor = 20);
alter table alert_look enable row level security;
call app.oversee('alert_look', 'mentalspace_dispatcher');
grant select, insert, update on alert_look to mentalspace_dispatcher;

insert into alert_look (rule_id, whose, looked_at)
select rule_id, array_agg(credential_id order by credential_id),
       array_agg(checked_at order by credential_id) from alert_state group by rule_id;
alter table alert_state drop column checked_at;

-- For whoever may see the state: the row names credentials of every practice.
create function app.looked_at(rule text, credential uuid) returns timestamptz
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select looked_at[array_position(whose, credential)] from public.alert_look where rule_id = rule
$$;
revoke execute on function app.looked_at(text, uuid) from public;
grant execute on function app.looked_at(text, uuid)
  to mentalspace_dispatcher, mentalspace_oncall, authenticated;
