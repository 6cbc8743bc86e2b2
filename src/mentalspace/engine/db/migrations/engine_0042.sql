-- Who holds a table of heartbeats so that nobody can beat, or read whether others do. Nothing here
-- touches those tables; of what the holder did the shape is shown, without a value.
create function app.heartbeat_locks() returns table (
  relation text, holder int, held_by text, holder_state text, held_s float8, holder_query text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select c.relname::text, l.pid, coalesce(a.application_name, ''),
         coalesce(a.state, 'a prepared transaction'),
         extract(epoch from clock_timestamp() - coalesce(a.xact_start, a.query_start))::float8,
         coalesce(app.query_shape(a.query), '')
    from pg_locks l join pg_class c on c.oid = l.relation
    left join pg_stat_activity a on a.pid = l.pid
   where l.locktype = 'relation' and l.granted
     and l.database = (select oid from pg_database where datname = current_database())
     and c.relnamespace = 'public'::regnamespace and c.relname in ('pulse', 'heartbeat')
     and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
   limit 100
$$;
revoke all on function app.heartbeat_locks() from public;
grant execute on function app.heartbeat_locks() to mentalspace_dispatcher, mentalspace_oncall;
