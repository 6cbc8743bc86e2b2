-- A foreign key takes a lock on the table it points to, even for a row that points nowhere: whoever
-- locked `delivery` kept the watchman from opening an incident about it. The timeline is only ever
-- added to, in the transaction that has the row in hand, and none of these rows is ever deleted.
alter table timeline drop constraint timeline_delivery_id_fkey,
  drop constraint timeline_attempt_id_fkey, drop constraint timeline_lane_id_fkey;
