-- A practice's agreements with the vendors that see its clients' data (HIPAA's business associate
-- agreement). One is never changed: a renewal is another row, a mistake is revoked.
create table vendor_agreement (
  id          uuid primary key default gen_random_uuid(),
  practice_id uuid not null references practice,
  vendor      text not null,                    -- a provider's name
  kind        text not null default 'baa' check (kind in ('baa')),
  signed_on   date not null,
  expires_on  date,                             -- the first day on which it holds no more
  reference   text not null default '',         -- where the document is kept
  recorded_by text not null,
  recorded_at timestamptz not null default app.now(),
  revoked_at  timestamptz,
  revoked_by  text,
  drill       text,
  check (expires_on > signed_on),
  check ((revoked_at is null) = (revoked_by is null))
);
create index vendor_agreement_of on vendor_agreement (practice_id, vendor);
alter table vendor_agreement enable row level security;
create policy worker_of_practice on vendor_agreement to mentalspace_worker
  using (practice_id = (select app.practice()));
create policy administrator_of_practice on vendor_agreement to authenticated
  using (practice_id = (select app.practice())
         and (select app.practice_role()) = 'administrator')
  with check (practice_id = (select app.practice())
              and (select app.practice_role()) = 'administrator');
call app.oversee('vendor_agreement', 'mentalspace_dispatcher');
call app.oversee('vendor_agreement', 'mentalspace_oncall');
grant select, insert, update (revoked_at, revoked_by) on vendor_agreement to authenticated;
-- Whether there is one and how long it holds; not where it lies or who signed it in.
grant select (id, practice_id, vendor, kind, signed_on, expires_on, recorded_at, revoked_at, drill)
  on vendor_agreement to mentalspace_worker, mentalspace_dispatcher, mentalspace_oncall;

-- Days are the practice's own. Asked anew for every batch: what ends today stops today.
create function app.today(of_practice uuid) returns date language sql stable as
  $$ select (app.now() at time zone p.timezone)::date from public.practice p where p.id = of_practice $$;
create function app.agreement_holds(of_practice uuid, with_vendor text) returns boolean
language sql stable as
  $$ select exists (
       select from public.vendor_agreement a
        where a.practice_id = of_practice and a.vendor = with_vendor and a.revoked_at is null
          and a.signed_on <= app.today(of_practice)
          and (a.expires_on is null or a.expires_on > app.today(of_practice))) $$;

create function app.check_agreement_change() returns trigger language plpgsql as $$
begin
  if old.revoked_at is not null then
    raise exception 'a revoked agreement stays revoked; record a new one' using errcode = '42501';
  end if;
  return new;
end $$;
create trigger agreement_is_revoked_once before update on vendor_agreement
  for each row execute function app.check_agreement_change();

alter table credential
  add column test_only boolean not null default false,         -- reaches test recipients only
  add column demands_agreement boolean not null default false, -- drills: as if it were live
  add column needs_agreement boolean not null
    generated always as ((live or demands_agreement) and not test_only) stored;
grant select (test_only, demands_agreement, needs_agreement)
  on credential to authenticated, mentalspace_dispatcher, mentalspace_oncall;

-- Whether it says anything of a client; a colleague's password reset does not.
alter table delivery add column carries_phi boolean not null default true;
grant select (carries_phi) on delivery
  to authenticated, mentalspace_oncall, mentalspace_dispatcher;

-- A lane that waits for an agreement stands still only for what needs one.
alter table lane add column paused_for_phi boolean not null default false;
