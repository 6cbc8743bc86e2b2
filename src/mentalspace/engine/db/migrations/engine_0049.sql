-- Of the installation, as heartbeats are, and in real time: exit code, or a signal below zero.
create table process_end (
  kind     text not null,
  host     text not null,
  pid      integer not null,
  ended_at timestamptz not null,
  lived_s  float8 not null,
  status   integer not null,
  said     text,
  primary key (host, pid, ended_at)
);
create index process_end_recent on process_end (ended_at);
grant select, insert, delete on process_end to mentalspace_dispatcher;
grant select on process_end to mentalspace_oncall;
