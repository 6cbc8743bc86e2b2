-- Asked once by a worker, as on-call and reading only; kept as it was answered. The queries see every
-- practice, so that only on-call reads the answers.
create table incident_evidence (
  id          bigint generated always as identity primary key,
  incident_id uuid not null references incident,
  place       integer not null,               -- the order on the page, from nought
  kind        text not null check (kind in ('query', 'status_page')),
  title       text not null,
  source      text not null default '',       -- the issue a query is from, the page's provider
  version     integer,                        -- the issue's, as it was then
  asked       text not null,                  -- the query, or the page's address
  said        jsonb not null default '{}',
  problem     text,                           -- why there is no answer
  taken_at    timestamptz not null default app.now(),
  unique (incident_id, place)
);
create trigger evidence_append_only before update or delete on incident_evidence
  for each row execute function app.refuse_change();
create trigger evidence_not_truncated before truncate on incident_evidence
  for each statement execute function app.refuse_change();
alter table incident_evidence enable row level security;
call app.oversee('incident_evidence', 'mentalspace_dispatcher');
call app.oversee('incident_evidence', 'mentalspace_oncall');
grant select, insert on incident_evidence to mentalspace_dispatcher;
grant select on incident_evidence to mentalspace_oncall;

-- What is older than this has nothing left to be found as it was at opening.
alter table incident
  add column evidence_at    timestamptz,
  add column evidence_lease timestamptz;      -- real time: a worker is at it
update incident set evidence_at = opened_at;
create index incident_without_evidence on incident (opened_at) where evidence_at is null;
