-- How many connections are taken of those that whoever is no superuser may have, and which program
-- holds most of them. Our own login does not see the names of others'.
create function app.connection_slots() returns table (
  taken int, most int, held_by text, held int, held_state text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  with clients as materialized (
    select coalesce(application_name, '') as name, coalesce(state, '') as state
      from pg_stat_activity where backend_type = 'client backend'
  ), holders as (
    select name, count(*)::int as held, mode() within group (order by state) as state
      from clients group by 1 order by 2 desc, 1 limit 1
  )
  select (select count(*)::int from clients),
         current_setting('max_connections')::int
           - current_setting('superuser_reserved_connections')::int,
         h.name, h.held, h.state
    from holders h
$$;
revoke all on function app.connection_slots() from public;
grant execute on function app.connection_slots() to mentalspace_dispatcher, mentalspace_oncall;
