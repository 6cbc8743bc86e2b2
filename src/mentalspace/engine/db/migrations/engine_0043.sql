-- A key that was revoked is found before anything is sent with it: the worker asks now and then.
create table credential_check (
  credential_id uuid primary key references credential on delete cascade,
  practice_id   uuid not null references practice,
  asked_at      timestamptz not null default clock_timestamp(),  -- real time
  answered_at   timestamptz,               -- null: not asked yet
  good          boolean,
  since         timestamptz,               -- since when it has been so
  times         integer not null default 0,  -- as often in a row
  case_id       text,
  fault         text,
  said          text not null default ''   -- it names nobody
);
call app.protect('credential_check');
call app.oversee('credential_check', 'mentalspace_dispatcher');
call app.oversee('credential_check', 'mentalspace_oncall');
grant select, insert, update on credential_check to mentalspace_dispatcher;
grant select on credential_check to authenticated, mentalspace_oncall;
