create index delivery_refused_here on delivery (credential_id, ended_at)
 where status = 'refused' and accepted_at is null;
