-- One chain for each practice, and one, under the nil id, for what belongs to none. Each entry
-- holds its predecessor's hash, so an entry changed, removed or put between breaks the chain from
-- there on. Who cuts off the end must also know the head that was written down elsewhere.
alter table audit add column chain uuid, add column seq bigint,
  add column previous bytea, add column hash bytea;

create table audit_head (
  chain uuid primary key,
  seq   bigint not null,
  hash  bytea not null
);
alter table audit_head enable row level security;
call app.oversee('audit_head', 'mentalspace_dispatcher');
call app.oversee('audit_head', 'mentalspace_oncall');
grant select on audit_head to mentalspace_dispatcher, mentalspace_oncall;

-- Instants as microseconds and the rest as JSON: the same text in every session's time zone.
create function app.audit_hash(entry public.audit) returns bytea language sql stable
set search_path = app, pg_catalog, public, pg_temp as $$
  select sha256(coalesce(entry.previous, '') || convert_to(jsonb_build_array(
    entry.chain, entry.seq, (extract(epoch from entry.at) * 1000000)::bigint,
    entry.actor, entry.action, entry.subject, entry.data)::text, 'UTF8'))
$$;

-- As its owner, for nobody else may touch the heads: pg_temp last, as with every such function.
create function app.chain_audit() returns trigger
language plpgsql security definer set search_path = app, pg_catalog, public, pg_temp as $$
begin
  new.chain := coalesce(new.practice_id, '00000000-0000-0000-0000-000000000000');
  insert into public.audit_head values (new.chain, 0, '') on conflict do nothing;
  select seq + 1, hash into new.seq, new.previous
    from public.audit_head where chain = new.chain for update;
  new.hash := app.audit_hash(new);
  update public.audit_head set seq = new.seq, hash = new.hash where chain = new.chain;
  return new;
end $$;

-- What was written before is chained in its order.
alter table audit disable trigger audit_append_only;
do $$
declare
  entry public.audit;
  head  record;
begin
  for entry in select * from public.audit order by id loop
    entry.chain := coalesce(entry.practice_id, '00000000-0000-0000-0000-000000000000');
    insert into public.audit_head values (entry.chain, 0, '') on conflict do nothing;
    select * into head from public.audit_head where chain = entry.chain;
    entry.seq := head.seq + 1;
    entry.previous := head.hash;
    entry.hash := app.audit_hash(entry);
    update public.audit set chain = entry.chain, seq = entry.seq, previous = entry.previous,
                            hash = entry.hash where id = entry.id;
    update public.audit_head set seq = entry.seq, hash = entry.hash where chain = entry.chain;
  end loop;
end $$;
alter table audit enable trigger audit_append_only;

alter table audit alter column chain set not null, alter column seq set not null,
  alter column previous set not null, alter column hash set not null,
  add constraint audit_in_order unique (chain, seq);
create trigger audit_is_chained before insert on audit
  for each row execute function app.chain_audit();

-- Who wrote it and what it was about, without having to read every entry.
create index audit_of_practice on audit (practice_id, id desc);
create index audit_of_subject on audit (subject, id desc) where subject is not null;

-- The first entry of each chain that does not hold, and why; the whole of it in one pass.
create function app.broken_audit() returns table (chain uuid, seq bigint, reason text)
language sql stable security definer set search_path = app, pg_catalog, public, pg_temp as $$
  with entry as (
    select a.chain, a.seq, a.hash <> app.audit_hash(a) as altered, a.previous, a.hash,
           lag(a.seq, 1, 0::bigint) over along as seq_before,
           lag(a.hash, 1, ''::bytea) over along as hash_before,
           a.chain <> coalesce(a.practice_id, '00000000-0000-0000-0000-000000000000') as moved
      from public.audit a window along as (partition by a.chain order by a.seq)
  ), fault as (
    select e.chain, e.seq, case
             when e.seq <> e.seq_before + 1 then 'entries before it are missing'
             when e.altered or e.moved then 'it was changed'
             when e.previous <> e.hash_before then 'the entry before it was replaced'
           end as reason
      from entry e
    union all
    select h.chain, h.seq, 'the newest entries are missing' from public.audit_head h
     where h.seq > 0 and not exists (select from public.audit a
                    where a.chain = h.chain and a.seq = h.seq and a.hash = h.hash)
  )
  select distinct on (f.chain) f.chain, f.seq, f.reason from fault f
   where f.reason is not null order by f.chain, f.seq
$$;
revoke all on function app.broken_audit() from public;
grant execute on function app.broken_audit() to mentalspace_dispatcher, mentalspace_oncall;
