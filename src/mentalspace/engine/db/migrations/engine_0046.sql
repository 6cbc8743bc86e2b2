-- One good answer among bad ones is no recovery: the last six are kept, S or F, the newest last.
alter table credential_check add column recent text not null default '', drop column times;
