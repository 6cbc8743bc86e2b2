-- Who entered what a credential stands with; `went_well` is known of what was brought back.
alter table credential
  add column entered_by text,
  add column went_well boolean not null default false;
grant select (entered_by) on credential to mentalspace_oncall;

-- What it stood with before, sealed: whoever is called has no secret to enter. One for each, gone
-- within a week. The owner writes it, with the credential; a worker asks its provider with it, and
-- wipes it when its time is over; nobody else reads its secrets.
create table credential_former (
  credential_id uuid primary key references credential on delete cascade,
  practice_id   uuid not null references practice,
  base_url      text not null,
  live          boolean not null,
  test_only     boolean not null,
  secrets       bytea not null,
  entered_at    timestamptz not null,
  entered_by    text,
  went_well     boolean not null,           -- something was taken while it was in use
  replaced_at   timestamptz not null,
  forget_at     timestamptz not null,
  answered_at   timestamptz,                -- when its provider last answered it, and how
  good          boolean,
  check (forget_at <= replaced_at + interval '7 days')
);
alter table credential_former enable row level security;
create policy worker_asks on credential_former for select to mentalspace_worker
  using (practice_id = (select app.practice()));
create policy worker_notes on credential_former for update to mentalspace_worker
  using (practice_id = (select app.practice())) with check (practice_id = (select app.practice()));
create policy worker_wipes on credential_former for delete to mentalspace_worker
  using (practice_id = (select app.practice()) and forget_at <= app.now());
call app.oversee('credential_former', 'mentalspace_dispatcher');
call app.oversee('credential_former', 'mentalspace_oncall');
grant select, delete, update (answered_at, good) on credential_former to mentalspace_worker;
grant select (practice_id, forget_at) on credential_former to mentalspace_dispatcher;
grant select (credential_id, practice_id, base_url, live, test_only, entered_at, entered_by,
              went_well, replaced_at, forget_at, answered_at, good)
  on credential_former to mentalspace_oncall;
