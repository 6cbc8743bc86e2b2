-- Who said that they have an incident while a lock kept it from being written down: it pages nobody
-- further, and is written down once the lock is gone. It names no other table, for any of them may
-- be the locked one.
create table acknowledgement_owed (
  incident_id uuid primary key,
  actor       text not null,
  said_by     uuid,                              -- who that is, where they had signed in
  at          timestamptz not null default app.now()
);
alter table acknowledgement_owed enable row level security;
call app.oversee('acknowledgement_owed', 'mentalspace_dispatcher');
call app.oversee('acknowledgement_owed', 'mentalspace_oncall');
grant select, delete on acknowledgement_owed to mentalspace_dispatcher;
grant select, insert on acknowledgement_owed to mentalspace_oncall;
