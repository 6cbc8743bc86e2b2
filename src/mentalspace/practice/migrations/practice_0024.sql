-- The evaluator reads no audit; of a credential that reaches nobody but test recipients it may know
-- since when, and who did it. Switched on by hand that is the switch; else how it was stored last.
create function app.test_mode_begun(the_credential uuid)
returns table (began_at timestamptz, began_by text, by_hand boolean)
language sql stable security definer set search_path = app, pg_catalog, public, pg_temp as $$
  select a.at, coalesce((select u.name from public.app_user u where u.id::text = a.actor), a.actor),
         a.action = 'test_mode_begun'
    from public.credential c join public.audit a
      on a.practice_id = c.practice_id
     and (a.action = 'test_mode_begun' and a.data ->> 'what' = c.integration || ' ' || c.provider
       or a.action = 'credential_set' and a.subject = c.id::text)
   where c.id = the_credential and c.test_only
     and not exists (
       select from public.audit o
        where o.practice_id = c.practice_id and o.action = 'test_mode_ended' and o.id > a.id
          and o.data ->> 'what' = c.integration || ' ' || c.provider)
   order by a.action = 'test_mode_begun' desc, a.id desc limit 1
$$;
revoke all on function app.test_mode_begun(uuid) from public;
grant execute on function app.test_mode_begun(uuid)
  to mentalspace_dispatcher, mentalspace_oncall;
