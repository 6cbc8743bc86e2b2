-- What came so far lies locked: the key stands beside its row, wrapped under the client's, as a file's
-- does. What was begun before lies unlocked, and begins anew: who sends it is told that it is not
-- there, and the sweeper takes the bytes.
delete from storage.upload where finished_at is null;
alter table storage.upload add key_id uuid references storage.key,
                           add locked bytea check ((locked is null) = (key_id is null));
create index upload_key on storage.upload (key_id);
create policy worker_of_practice on storage.upload to mentalspace_worker
  using (practice_id = (select app.practice()));
grant select (practice_id, id, key_id, locked), update (key_id, locked)
  on storage.upload to mentalspace_worker;
