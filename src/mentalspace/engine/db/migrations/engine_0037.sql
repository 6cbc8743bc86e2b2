-- What a provider calls back with and is refused is not kept, for anybody might have written it. That
-- it comes is: nothing else tells that the secret here is not the one they sign with.
create table hook_refusal (
  credential_id uuid primary key references credential on delete cascade,
  practice_id   uuid not null references practice,
  code          text not null,
  refused       integer not null,
  since         timestamptz not null,
  last_at       timestamptz not null
);
call app.protect('hook_refusal');
call app.oversee('hook_refusal', 'mentalspace_dispatcher');
call app.oversee('hook_refusal', 'mentalspace_oncall');
grant select, insert, update on hook_refusal to mentalspace_worker;
grant select on hook_refusal to authenticated, mentalspace_dispatcher, mentalspace_oncall;
