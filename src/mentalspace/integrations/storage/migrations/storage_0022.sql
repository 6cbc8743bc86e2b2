-- A client of the practice is no reader of what others put in: the file's own policies decide.
drop policy within_practice on storage.scan;
create policy of_ones_files on storage.scan for select to authenticated
  using (practice_id = (select app.practice())
         and exists (select from storage.file f where f.id = file_id and f.version = scan.version));
