-- Whether the practice treats this client for a substance use disorder, as a program under 42 CFR
-- Part 2. Staff say so; an administrator alone says that it is so no more.
alter table client add column part2 boolean not null default false;

create function guard_part2() returns trigger language plpgsql as $$
begin
  if app.practice_role() is distinct from 'administrator' then
    raise exception 'administrators take the mark off' using errcode = '42501';
  end if;
  return new;
end $$;
create trigger client_part2_is_guarded before update of part2 on client
  for each row when (old.part2 and not new.part2) execute function guard_part2();
