-- What people text to the practice. What it says and whose number it came from are encrypted;
-- the number is counted by the keyed hash that deliveries have.
create table text_message (
  id                  uuid primary key default gen_random_uuid(),
  practice_id         uuid not null references practice,
  credential_id       uuid not null references credential,
  provider_message_id text not null,
  recipient_key       text not null,
  client_id           uuid references client,      -- null while it is not known whose it is
  sender              bytea not null,              -- encrypted, E.164
  body                bytea not null,              -- encrypted
  received_at         timestamptz not null default app.now(),
  meaning             text,                        -- see practice/text_message.py
  appointment_id      uuid references appointment, -- which one it answered
  read_at             timestamptz,
  read_by             uuid references app_user,
  drill               text,
  unique (credential_id, provider_message_id)
);
create index text_message_of_client on text_message (client_id, received_at desc);
create index text_message_of_number on text_message (practice_id, recipient_key, received_at desc);
-- What a person must look at; anything else was understood and answered.
create index text_message_unread on text_message (practice_id)
  where read_at is null and meaning in ('unclear', 'too_late', 'unknown_number');
call app.protect('text_message');
grant select, insert, update (client_id, meaning, appointment_id) on text_message
  to mentalspace_worker;
grant select, update (read_at, read_by) on text_message to authenticated;
-- Whose telephone a text came from, however the number was typed.
create index client_of_last_digits on client
  (practice_id, right(regexp_replace(phone, '\D', '', 'g'), 7)) where phone is not null;

-- The conversation a task is about: while it is open, what comes in adds no second one.
alter table task add column thread_key text;
create unique index task_of_thread on task
  (practice_id, thread_key, topic, coalesce(client_id::text, ''), coalesce(drill, ''))
  where state = 'open' and thread_key is not null;

-- A client answers by text: what they said is done in the inbox's transaction.
grant update (starts_at, duration_min, status, version, confirmed_at, cancelled_by, updated_at)
  on appointment to mentalspace_worker;
