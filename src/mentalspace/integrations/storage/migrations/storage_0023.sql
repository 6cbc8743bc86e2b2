-- Lets a sealed file be read after all: the version that an administrator saw, and no other that took
-- its place meanwhile. Until the end of the transaction none can; nothing is returned if one did.
drop function storage.release(uuid);
create function storage.release(the_file uuid, the_version text) returns text
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
declare released text;
begin
  if app.practice_role() is distinct from 'administrator' then
    raise exception 'only administrators release' using errcode = '42501';
  end if;
  perform from storage.file f
    where f.id = the_file and f.practice_id = app.practice() and f.version = the_version for share;
  if not found then
    return null;
  end if;
  update storage.scan s set state = 'released', settled_at = app.now()
   where s.practice_id = app.practice() and s.version = the_version and s.state = 'infected'
  returning s.version into released;
  return released;
end $$;
revoke all on function storage.release(uuid, text) from public;
grant execute on function storage.release(uuid, text) to authenticated;

-- For the sweeper, besides: what was found in versions that no file has any more. What an upload's
-- transaction names it names at once; the hour is grace.
create or replace function storage.forget_old() returns void
language sql security definer set search_path = app, pg_catalog, public, pg_temp as $$
  delete from storage.reading where until < app.now() - interval '1 day';
  delete from storage.link where expires_at < app.now() - interval '30 days';
  delete from storage.scan s where s.landed_at < app.now() - interval '1 hour'
     and not exists (select from storage.file f
                      where f.practice_id = s.practice_id and f.version = s.version);
$$;
