-- Both hold failures alone, which are few: nothing is written to them for a message that goes well.
create index attempt_failed on attempt (finished_at, credential_id)
 where fault in ('ours', 'theirs');
create index delivery_not_brought on delivery (credential_id, ended_at)
 where status = 'failed' and accepted_at is not null;
