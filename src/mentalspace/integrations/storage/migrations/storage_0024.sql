-- What the law says of a file travels with its row: `part2` is a record of treatment for a substance
-- use disorder, under 42 CFR Part 2. A copy takes it along, a move keeps it, and what replaces a
-- labelled file is labelled.
alter table storage.file add column label text check (label = 'part2');
alter table storage.upload add column label text check (label = 'part2');
grant update (label) on storage.file to authenticated;

-- Why a file is given by a link, and to whom, as far as whoever made it said so.
alter table storage.link
  add column purpose text check (purpose in ('treatment', 'payment', 'operations',
                                             'patient_request', 'court_order', 'other')),
  add column recipient text check (length(recipient) between 1 and 120);

-- Staff put it on; a file that replaces another may bring it along. An administrator alone takes it
-- off, in a statement that does nothing else.
create function storage.guard_label() returns trigger language plpgsql as $$
begin
  if old.label is null and (app.is_staff() or new.version <> old.version) then
    return new;
  end if;
  if old.label is not null and new.version = old.version
     and app.practice_role() = 'administrator' and storage.operation() = 'storage.object.unlabel' then
    return new;
  end if;
  raise exception 'staff label a file, and administrators take a label off' using errcode = '42501';
end $$;
create trigger label_is_guarded before update of label on storage.file
  for each row when (new.label is distinct from old.label) execute function storage.guard_label();
