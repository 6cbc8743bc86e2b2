-- Totals that only ever grow, counted up to `upto`; whoever reads adds what has come since. They
-- begin at nought with this migration: a rate needs no past.
create table tally (
  name        text not null,
  practice_id uuid not null references practice,
  labels      jsonb not null,
  hits        bigint not null,
  seconds     double precision not null default 0,
  primary key (practice_id, name, labels)
);
create table app.tally_mark (
  only_row boolean primary key default true check (only_row),
  upto     timestamptz not null
);
insert into app.tally_mark (upto) values (app.now());
alter table tally enable row level security;
call app.oversee('tally', 'mentalspace_dispatcher');
grant select, insert, update on tally to mentalspace_dispatcher;
grant select, update on app.tally_mark to mentalspace_dispatcher;

-- Webhooks are counted by when they came; the table is in that order.
create index inbox_received on inbox using brin (received_at);

-- By loop: how long its last turn took, when that was, and how many in a row have failed.
alter table heartbeat add column loops jsonb not null default '{}';
