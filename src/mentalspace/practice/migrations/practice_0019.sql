-- Whoever texts from a number shows that it takes texts, whatever was said of it before; nobody has
-- to be asked for another.
alter table phone_line drop constraint phone_line_told_by_check;
alter table phone_line add constraint phone_line_told_by_check
  check (told_by in ('carrier', 'lookup', 'staff', 'client'));
grant update (state, done_at, done_by) on task to mentalspace_worker;
