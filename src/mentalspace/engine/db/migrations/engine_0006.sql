-- Batches ----------------------------------------------------------------------------------------
-- While the outcome of a batch is open, its members name the first attempt that carried it: its key
-- and its links, by place, are the request that may have to be repeated to the letter.
alter table delivery
  add column batch_id uuid references attempt,
  add column alone    boolean not null default false;   -- it goes by itself: a batch refused it
create index delivery_batch on delivery (batch_id) where batch_id is not null;
grant select (batch_id, alone) on delivery
  to authenticated, mentalspace_oncall, mentalspace_dispatcher;

alter table attempt_delivery
  add column place integer not null default 0;          -- where in the request, from nought

-- The limit a provider names with its answers -------------------------------------------------------
alter table attempt
  add column size           integer not null default 1, -- deliveries in the request
  add column rate_limit     integer,                    -- requests in the provider's window
  add column rate_remaining integer;                    -- what was left of them after this one

-- The provider's window as we know it: which of ours it is, how many slots of it are given away,
-- by when it had surely opened, and how much of it and of the one before went to others.
alter table credential_state
  add column named_limit    integer,
  add column named_window_s double precision not null default 1,
  add column window_number  bigint not null default 0,
  add column window_at      timestamptz,
  add column window_used    integer not null default 0,
  add column window_open_by timestamptz,
  add column others         integer not null default 0,
  add column others_before  integer not null default 0;
drop function app.slot_interval(double precision, timestamptz, double precision);
