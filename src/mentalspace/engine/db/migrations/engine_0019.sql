-- Kept while it is asked for: a question under way (sending) answers nothing yet.
alter table delivery
  add column unknown_at timestamptz,
  add column unknown_shown boolean not null default false;

create function app.keep_unknown_since() returns trigger language plpgsql as $$
begin
  if new.status = 'unknown' then
    new.unknown_at := coalesce(new.unknown_at, app.now());
  elsif new.status <> 'sending' then
    new.unknown_at := null;
    new.unknown_shown := false;
  end if;
  return new;
end $$;
update delivery set unknown_at = coalesce(first_attempt_at, app.now()) where status = 'unknown';
create trigger delivery_unknown_since before insert or update of status on delivery
  for each row when (new.status = 'unknown' or new.unknown_at is not null)
  execute function app.keep_unknown_since();

create index delivery_unknown on delivery (unknown_at) where unknown_at is not null;
grant select (unknown_at) on delivery to authenticated, mentalspace_oncall, mentalspace_dispatcher;
grant select (unknown_shown), update (unknown_shown) on delivery to mentalspace_dispatcher;
