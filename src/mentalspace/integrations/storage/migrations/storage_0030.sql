-- Whether a version's bytes are here, a file's or a removed one's, and nothing harmful was found in
-- them. As its owner, for on-call sees no files; it tells nobody of another practice's.
create function storage.version_is_kept(of_practice uuid, the_version uuid) returns boolean
language sql stable security definer set search_path = app, pg_catalog, public, pg_temp as $$
  select coalesce(app.practice(), of_practice) = of_practice
     and (exists (select from storage.file f
                   where f.practice_id = of_practice and f.version = the_version::text)
          or exists (select from storage.archived a
                      where a.practice_id = of_practice and a.version = the_version::text))
     and not exists (select from storage.scan s
                      where s.practice_id = of_practice and s.version = the_version::text
                        and s.state = 'infected')
$$;
revoke all on function storage.version_is_kept(uuid, uuid) from public;
grant execute on function storage.version_is_kept(uuid, uuid)
  to authenticated, mentalspace_oncall, mentalspace_worker;

-- The few copies among all that ended.
create index delivery_copy_ended on public.delivery (practice_id)
  where integration = 'storage' and kind = 'document'
    and status in ('refused', 'failed', 'expired');
