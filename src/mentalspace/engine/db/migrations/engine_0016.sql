-- How it was heard (see engine/suppression.py), and by which message of the provider's.
alter table suppression
  add column how text not null default 'provider',
  add column actor text not null default 'system',
  add column evidence text,
  add column lifted_how text,
  add column lifted_evidence text;
grant insert on suppression to authenticated;
grant update (lifted_how, lifted_evidence) on suppression to authenticated;

-- The one text that may follow a STOP, and the answer to HELP, go to whoever is suppressed.
alter table delivery add column despite_suppression boolean not null default false;
create index delivery_of_recipient on delivery (practice_id, recipient_key, created_at desc);
