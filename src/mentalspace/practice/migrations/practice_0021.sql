-- Everybody of the staff writes to the audit; who read or did what is their administrator's to see.
drop policy staff_of_practice on audit;
create policy staff_write on audit for insert to authenticated
  with check (practice_id = (select app.practice()) and (select app.is_staff()));
create policy administrator_sees on audit for select to authenticated
  using (practice_id = (select app.practice()) and (select app.practice_role()) = 'administrator');

-- What an on-call engineer sees of it: every entry of every practice, by ids; beside it our own codes,
-- and the reasons their colleagues gave. What an administrator wrote may name a client.
create view oncall.audit as
  select a.id, a.at, a.practice_id, a.actor, a.action, a.subject, a.chain, a.seq,
         (select coalesce(jsonb_object_agg(said.key, said.value), '{}')
            from jsonb_each(a.data) said
           where said.key in ('code', 'what', 'opening', 'role')
              or said.key = 'reason' and a.data ->> 'role' = 'oncall') as data
    from public.audit a;
revoke select on audit from mentalspace_oncall;
grant select on oncall.audit to mentalspace_oncall;

-- Searched by who, by what and by when; by practice and by subject it was before.
create index audit_of_actor on audit (actor, id desc);
create index audit_of_action on audit (action, id desc);
create index audit_by_time on audit using brin (at);
