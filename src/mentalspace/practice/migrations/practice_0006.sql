-- The identifier of the recurring event an appointment is a date of. What a later file no longer
-- has of it is called off; what came from elsewhere is not touched.
alter table appointment add column series text;
create index appointment_of_series on appointment (practice_id, series) where series is not null;
