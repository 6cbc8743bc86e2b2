alter table delivery add column put_away boolean not null default false;
create index delivery_unheard on delivery (accepted_at)
  where status = 'accepted' and ask_at is null and questions >= 5 and not put_away;
grant select (ask_at, questions, put_away), update (ask_at, put_away)
  on delivery to authenticated, mentalspace_oncall;
