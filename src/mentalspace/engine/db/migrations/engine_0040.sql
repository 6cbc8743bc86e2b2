-- Who waits in the database, and who is in the way. The roles that may look see no other session by
-- themselves: this shows of each its process, and of its query the shape, without a value.
create function app.query_shape(query text) returns text language sql immutable
  set search_path = pg_catalog, pg_temp as $$
  select left(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(query,
    '/\*.*?(\*/|$)|--[^\n]*', ' ', 'g'),
    '\$([A-Za-z_]\w*|)\$.*?(\$\1\$|$)', '?', 'g'),
    '[eEbBxX]?''([^'']|'''')*(''|$)', '?', 'g'),
    '(?<![\w$])\d[\w.]*', '?', 'g'),
    '\s+', ' ', 'g'), 200)
$$;

create function app.lock_waits() returns table (
  waiter int, waits_as text, waits_s float8, waiting_query text,
  holder int, held_by text, holder_state text, held_s float8, holder_query text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select w.pid, coalesce(w.application_name, ''),
         extract(epoch from clock_timestamp() - coalesce(w.state_change, w.query_start))::float8,
         coalesce(app.query_shape(w.query), ''),
         blocked.by, coalesce(h.application_name, ''), coalesce(h.state, 'a prepared transaction'),
         extract(epoch from clock_timestamp() - coalesce(h.xact_start, h.query_start))::float8,
         coalesce(app.query_shape(h.query), '')
    from pg_stat_activity w
   cross join lateral (select distinct pid from unnest(pg_blocking_pids(w.pid)) as b (pid))
           as blocked (by)
    left join pg_stat_activity h on h.pid = blocked.by
   where w.datname = current_database() and w.wait_event_type = 'Lock'
   limit 100
$$;
revoke all on function app.lock_waits() from public;
grant execute on function app.lock_waits() to mentalspace_dispatcher, mentalspace_oncall;

-- What people pressed lately, whoever's it is.
create index timeline_acted on timeline (at) where kind = 'acted';
