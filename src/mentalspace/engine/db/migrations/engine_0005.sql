-- A practice may have several credentials for one integration: what is new goes to the lowest rank.
-- One that is out for longer than it may be gives what waits to the next; see engine/failover.py.
alter table credential
  add column rank integer not null default 1 check (rank > 0),
  add column fail_over_after_s double precision not null default 60 check (fail_over_after_s >= 0);
grant select (rank, fail_over_after_s)
  on credential to authenticated, mentalspace_dispatcher, mentalspace_oncall;
grant update (lane_id, credential_id) on delivery to mentalspace_dispatcher;
