-- What a room measures itself, as it stands: a bucket's fill, an hour's traffic. The ledger knows
-- deliveries and nothing of these; rules and pages read them from here, whichever room it is.
create table room_gauge (
  practice_id uuid not null references practice,
  integration text not null,
  metric      text not null,               -- of the room's overview
  subject     text not null,               -- what of, in the room's own words: it names nobody
  value       float8,                      -- null: too little to judge by, and `seen` says why
  n           bigint not null default 0,   -- of how many, or how much of it
  bad         bigint,                      -- of a share: how many of n
  seen        text not null,               -- for people
  measured_at timestamptz not null default app.now(),
  drill       text not null default '',
  primary key (practice_id, integration, metric, subject, drill)
);
call app.protect('room_gauge');
call app.oversee('room_gauge', 'mentalspace_dispatcher');
call app.oversee('room_gauge', 'mentalspace_oncall');
grant select, insert, update, delete on room_gauge to mentalspace_dispatcher;
grant select on room_gauge to authenticated, mentalspace_oncall;
