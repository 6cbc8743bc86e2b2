-- Instants here are real time, like all of a log-in's.
create table second_factor (
  user_id      uuid primary key references app_user,
  secret       bytea,                      -- sealed; null while none is in force
  enrolled_at  timestamptz,
  pending      bytea,                      -- sealed; in force once a code has confirmed it
  pending_at   timestamptz,
  last_step    bigint not null default 0,  -- the newest 30 seconds whose code was taken
  failures     integer not null default 0,
  locked_until timestamptz,
  check ((secret is null) = (enrolled_at is null)),
  check ((pending is null) = (pending_at is null))
);
alter table second_factor enable row level security;
call app.oversee('second_factor', 'mentalspace_door');
grant select, insert, update on second_factor to mentalspace_door;

create table recovery_code (
  user_id   uuid not null references app_user,
  code_hash bytea not null,                -- SHA-256 of 80 random bits and whose they are
  made_at   timestamptz not null default clock_timestamp(),
  used_at   timestamptz,
  primary key (user_id, code_hash)
);
alter table recovery_code enable row level security;
call app.oversee('recovery_code', 'mentalspace_door');
grant select, insert, update on recovery_code to mentalspace_door;

-- Between the right password and the right code.
create table half_log_in (
  id_hash    bytea primary key,            -- SHA-256 of the cookie
  user_id    uuid not null references app_user,
  created_at timestamptz not null default clock_timestamp(),
  ended_at   timestamptz
);
alter table half_log_in enable row level security;
call app.oversee('half_log_in', 'mentalspace_door');
grant select, insert, update on half_log_in to mentalspace_door;

-- Signed in with a password alone where that is not enough: nothing but enrolment is open.
alter table session add column must_enrol boolean not null default false;

-- An administrator sees who works in the practice, and whether they have a second factor.
create policy colleagues on membership for select to authenticated
  using (practice_id = (select app.practice()) and role <> 'client'
         and (select app.practice_role()) = 'administrator');
create policy colleagues on app_user for select to authenticated
  using ((select app.practice_role()) = 'administrator' and id in
         (select m.user_id from membership m where m.practice_id = (select app.practice())));
create policy colleagues on second_factor for select to authenticated
  using ((select app.practice_role()) = 'administrator' and user_id in
         (select m.user_id from membership m where m.practice_id = (select app.practice())));
grant select (user_id, enrolled_at) on second_factor to authenticated;
