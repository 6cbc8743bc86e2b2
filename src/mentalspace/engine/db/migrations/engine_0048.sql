-- Who holds one of our tables so that others cannot write it, or not even read it. Nothing here
-- touches those tables; of what the holder did the shape is shown, without a value. As whom
-- it is logged in and from where says whose transaction one ends.
create function app.table_locks() returns table (
  relation text, holder int, held_by text, held_as text, held_from text, holder_state text,
  held_s float8, holder_query text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select c.relname::text, l.pid, coalesce(a.application_name, ''), coalesce(a.usename::text, ''),
         coalesce(host(a.client_addr), 'this host'), coalesce(a.state, 'a prepared transaction'),
         extract(epoch from clock_timestamp() - coalesce(a.xact_start, a.query_start))::float8,
         coalesce(app.query_shape(a.query), '')
    from pg_locks l join pg_class c on c.oid = l.relation
    left join pg_stat_activity a on a.pid = l.pid
   where l.locktype = 'relation' and l.granted and c.relkind in ('r', 'p')
     and l.database = (select oid from pg_database where datname = current_database())
     and c.relnamespace = 'public'::regnamespace
     and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
   limit 100
$$;
revoke all on function app.table_locks() from public;
grant execute on function app.table_locks() to mentalspace_dispatcher, mentalspace_oncall;
drop function app.heartbeat_locks();
