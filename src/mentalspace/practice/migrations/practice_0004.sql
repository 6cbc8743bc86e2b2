-- What a practice adds to its appointment mails, one line in each language. Checked for what would
-- give a client away before it is stored, and again in every mail.
create table practice_text (
  practice_id uuid not null references practice,
  language    text not null check (language in ('en', 'es')),
  note        text not null check (length(note) <= 300),
  changed_at  timestamptz not null default app.now(),
  changed_by  text not null,
  primary key (practice_id, language)
);
call app.protect('practice_text');
grant select, insert, update on practice_text to authenticated;
grant select on practice_text to mentalspace_worker;
