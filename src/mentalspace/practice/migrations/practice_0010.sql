-- Somebody told the client themselves, of the appointment as it then stood: a later change must be
-- told anew.
create table told_by_phone (
  appointment_id uuid not null references appointment,
  version        integer not null,
  practice_id    uuid not null references practice,
  told_by        uuid not null,
  told_at        timestamptz not null default app.now(),
  primary key (appointment_id, version)
);
call app.protect('told_by_phone');
grant select, insert on told_by_phone to authenticated;
