-- Clients who want nothing more by an integration, whatever address of theirs it goes to. A
-- projection: the practice's consent ledger keeps it, and nobody else may.
create table stopped_client (
  practice_id uuid not null references practice,
  integration text not null,
  client_id   uuid not null,
  since       timestamptz not null default app.now(),
  primary key (client_id, integration)
);
call app.protect('stopped_client');
grant select on stopped_client to authenticated, mentalspace_worker;

-- A drill's own traffic has no client to ask.
create function app.is_suppressed(
  of_practice uuid, of_integration text, of_recipient text, of_drill text, of_client uuid
) returns boolean language sql stable as $$
  select app.is_suppressed(of_practice, of_integration, of_recipient, of_drill)
      or of_drill is null and exists (select from stopped_client
           where client_id = of_client and integration = of_integration
             and practice_id = of_practice) $$;
