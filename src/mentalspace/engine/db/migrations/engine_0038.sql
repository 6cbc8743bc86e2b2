-- What is due at night and may not leave before the morning is no queue. Whoever counts asks this; a
-- lane asks `engine/hours.py`, which also knows when they open, and the two are tested against each
-- other. Without hours it is always open.
create function app.is_open(hours jsonb, at timestamptz) returns boolean
  language sql stable parallel safe as $$
  select hours is null or (
    select bool_and(coalesce(minute >= (today ->> 0)::int and minute < (today ->> 1)::int, false))
      from jsonb_array_elements_text(hours -> 'zones') as zones (zone)
     cross join lateral (select at at time zone zone as wall) local
     cross join lateral (
       select extract(hour from wall)::int * 60 + extract(minute from wall)::int as minute,
              nullif(hours -> 'week' -> (extract(isodow from wall)::int - 1), 'null') as today) clock)
$$;
-- A zone and hours of the day say nothing of whom.
grant select (hours) on delivery to mentalspace_oncall, mentalspace_dispatcher;
