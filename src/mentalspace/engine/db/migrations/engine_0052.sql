-- When what it tells happened, by the provider's own clock; null where its protocol does not say.
alter table inbox add column dated_at timestamptz;
create index inbox_late on inbox (credential_id, received_at)
  where received_at - dated_at > interval '60 s';
grant select (dated_at) on inbox to authenticated, mentalspace_dispatcher, mentalspace_oncall;

-- What a provider said of a message whose callback did not come in its time; each is asked after
-- once. Kept for a day.
create table callback_question (
  delivery_id   uuid primary key references delivery on delete cascade,
  practice_id   uuid not null references practice,
  credential_id uuid not null references credential on delete cascade,
  asked_at      timestamptz not null default app.now(),
  answer        text check (answer in ('ended', 'on_its_way', 'none')),
  ended_at      timestamptz                -- as the provider dates its end, where it does
);
create index callback_question_of on callback_question (credential_id, asked_at desc);
call app.protect('callback_question');
call app.oversee('callback_question', 'mentalspace_dispatcher');
call app.oversee('callback_question', 'mentalspace_oncall');
grant select, insert, delete on callback_question to mentalspace_dispatcher;
grant select, update on callback_question to mentalspace_worker;
grant select on callback_question to authenticated, mentalspace_oncall;
grant select (questions) on delivery to mentalspace_dispatcher;
