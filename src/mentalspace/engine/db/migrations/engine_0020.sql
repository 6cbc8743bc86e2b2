-- The second clock: by when an incident must be over. Whoever acknowledges it later than that gets
-- the whole length anew, so the length stands beside it. What was opened before has no such clock.
-- `rounds` counts how often somebody had it and it became nobody's again.
alter table incident
  add column resolve_within_s integer check (resolve_within_s > 0),
  add column resolve_due_at   timestamptz,
  add column rounds           integer not null default 0;
create index incident_lapsing on incident (resolve_due_at) where status = 'acknowledged';

-- Whom a page is for. It is its target too, except that a drill's pages all go to the drill's.
alter table page add column meant text;
update page set meant = target;
alter table page alter column meant set not null;
alter table page drop constraint page_incident_id_target_step_key;
create unique index page_once on page (incident_id, meant, step);

-- What an incident asks people to do besides acknowledging: the lines of its rung's checklist, or a
-- ticket for a sprint. Each is closed by a person.
create table incident_task (
  id          uuid primary key default gen_random_uuid(),
  incident_id uuid not null references incident,
  kind        text not null check (kind in ('step', 'ticket')),
  position    integer not null,
  text        text not null,
  note        text,
  opened_at   timestamptz not null default app.now(),
  done_at     timestamptz,
  done_by     text,
  check ((done_at is null) = (done_by is null)),
  unique (incident_id, kind, position)
);
create index incident_task_open on incident_task (opened_at) where kind = 'ticket' and done_at is null;
alter table incident_task enable row level security;
call app.oversee('incident_task', 'mentalspace_dispatcher');
call app.oversee('incident_task', 'mentalspace_oncall');
create policy administrator_sees on incident_task for select to authenticated
  using (exists (select from incident i where i.id = incident_id));
grant select, insert on incident_task to mentalspace_dispatcher;
grant select, update (note, done_at, done_by) on incident_task to mentalspace_oncall;
grant select on incident_task to authenticated;
