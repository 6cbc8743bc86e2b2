-- Of a client who is marked so, each document is labelled as it comes, or comes among theirs. As its
-- owner: whoever adds one need not see the client's record.
create function storage.label_as_client() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  if new.label is null and storage.is_of_clients(new.bucket_id)
     and exists (select from public.client c
                  where c.practice_id = new.practice_id and c.id = storage.client_of(new.name)
                    and c.part2) then
    new.label := 'part2';
  end if;
  return new;
end $$;
create trigger labelled_as_its_client before insert or update of bucket_id, name on storage.file
  for each row execute function storage.label_as_client();

-- What is labelled where it lies is so with its older versions; what replaces it says nothing of
-- those. As its owner: nobody else changes those.
create function storage.label_older() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  update storage.archived a set label = new.label
   where a.practice_id = new.practice_id and a.file_id = new.id and a.label is null;
  return null;
end $$;
create trigger older_are_labelled after update of label, bucket_id, name on storage.file
  for each row when (new.label is not null and old.label is null and new.version = old.version)
  execute function storage.label_older();
