-- Reminders wait for weeks: whoever asks what is too late, or overdue, must not read them all.
create index delivery_expiring on delivery (expires_at) where status in ('pending', 'due');
drop index delivery_open;
create index delivery_open on delivery (credential_id, status, next_attempt_at)
  where status in ('pending', 'due', 'sending', 'unknown', 'held');

-- Every look of a rule is an update of no indexed column: with room in its page it writes no index.
alter table alert_state set (fillfactor = 50);

-- Bodies are forgotten in the order in which their messages ended: of all up to here they are.
create table app.purge_mark (
  only_row boolean primary key default true check (only_row),
  upto     timestamptz not null
);
insert into app.purge_mark (upto)
select coalesce(min(coalesce(ended_at, accepted_at)), app.now()) from delivery
 where purged_at is null;
grant select, update on app.purge_mark to mentalspace_dispatcher;
