-- A request of the API that wrote something, until its span is with the collector. It names nobody:
-- a route's pattern, a status and a time.
create table trace_request (
  id          bigint generated always as identity primary key,
  traceparent text not null,
  parent_id   text,                             -- the caller's own span
  request_id  text not null,
  method      text not null,
  route       text not null,
  http        integer,
  began_at    timestamptz not null,
  took_ms     double precision not null
);
alter table trace_request enable row level security;
call app.oversee('trace_request', 'mentalspace_door');
call app.oversee('trace_request', 'mentalspace_dispatcher');
grant insert on trace_request to mentalspace_door;
grant select, delete on trace_request to mentalspace_dispatcher;

-- How far the timeline is told of: all up to `read_id`. Up to `pending_id` it may be read once
-- nobody older than `pending_xmax` writes any more. One worker at a time tells, as long as it is its
-- turn. Instants are real.
create table trace_state (
  only_row      boolean primary key default true check (only_row),
  read_id       bigint,                         -- null before the first turn
  pending_id    bigint not null default 0,
  pending_xmax  xid8 not null default '0',
  holder        text,
  held_until    timestamptz not null default '-infinity',
  sent_at       timestamptz,
  spans         bigint not null default 0,      -- sent so far
  failing_since timestamptz,
  failure       text                            -- a word, never what the collector said
);
insert into trace_state default values;
alter table trace_state enable row level security;
call app.oversee('trace_state', 'mentalspace_dispatcher');
call app.oversee('trace_state', 'mentalspace_oncall');
grant select, update on trace_state to mentalspace_dispatcher;
grant select on trace_state to mentalspace_oncall;

grant select (traceparent, request_id) on inbox to mentalspace_dispatcher;
create index inbox_of_request on inbox (request_id) where request_id is not null;
