-- What was learned of a number itself: from the carrier, by a provider's look-up, or because a
-- person said otherwise. One that waits for a look-up has neither a kind nor an `asked_at`.
create table phone_line (
  practice_id   uuid not null references practice,
  e164          text not null check (e164 ~ '^\+[1-9][0-9]{6,14}$'),
  kind          text check (kind in ('mobile', 'landline', 'voip', 'either', 'unknown')),
  told_by       text check (told_by in ('carrier', 'lookup', 'staff')),
  wanted_at     timestamptz not null default app.now(),
  asked_at      timestamptz,
  credential_id uuid references credential,  -- whose account paid for the question
  case_id       text,                        -- why a question brought no answer
  primary key (practice_id, e164)
);
create index phone_line_to_ask on phone_line (practice_id) where asked_at is null and kind is null;
create index phone_line_asked on phone_line (credential_id, asked_at) where asked_at is not null;
call app.protect('phone_line');
grant select, insert, update on phone_line to authenticated, mentalspace_worker;
-- Who has something to ask, and how often was asked; never whom about.
call app.oversee('phone_line', 'mentalspace_dispatcher');
call app.oversee('phone_line', 'mentalspace_oncall');
grant select (practice_id, kind, asked_at) on phone_line to mentalspace_dispatcher;
grant select (practice_id, kind, told_by, asked_at, credential_id, case_id) on phone_line
  to mentalspace_oncall;

-- What the carrier says of a number, its client's row says as well; and a task that is open already
-- takes in what the next text would have opened a second one for.
grant update (phone_kind, phone_problem) on client to mentalspace_worker;
grant update (text) on task to mentalspace_worker;
