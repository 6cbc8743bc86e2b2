create table suppression (
  id            uuid primary key default gen_random_uuid(),
  practice_id   uuid not null references practice,
  integration   text not null,
  recipient_key text not null,            -- keyed hash, as on the delivery
  client_id     uuid,
  delivery_id   uuid references delivery,
  case_id       text,
  reason        text not null,
  created_at    timestamptz not null default app.now(),
  lifted_at     timestamptz,
  lifted_by     text,
  drill         text
);
-- What a drill brings about holds for its own traffic alone.
create unique index suppression_once
  on suppression (practice_id, integration, recipient_key, coalesce(drill, ''))
  where lifted_at is null;
create index suppression_recent on suppression (practice_id, created_at desc);
create index suppression_of_client on suppression (client_id);
call app.protect('suppression');
call app.oversee('suppression', 'mentalspace_oncall');
grant select, insert, update on suppression to mentalspace_worker;
grant select, update (lifted_at, lifted_by) on suppression to authenticated;
grant select (id, practice_id, integration, recipient_key, delivery_id, case_id, reason, created_at,
              lifted_at, lifted_by, drill) on suppression to mentalspace_oncall;

create function app.is_suppressed(
  of_practice uuid, of_integration text, of_recipient text, of_drill text
) returns boolean language sql stable as $$
  select exists (select from suppression
    where practice_id = of_practice and integration = of_integration
      and recipient_key = of_recipient and lifted_at is null
      and coalesce(drill, '') in ('', coalesce(of_drill, ''))) $$;

-- A master key's rotation must not make strangers of the people counted and suppressed before it:
-- the key of their hashes is kept here from then on, sealed.
create table app.recipient_key (
  only_row boolean primary key default true check (only_row),
  sealed   bytea not null
);
grant select on app.recipient_key to mentalspace_door;
