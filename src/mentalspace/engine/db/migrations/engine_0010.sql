-- What the runbook had something to say of, newest first: few lines among many.
create index timeline_trouble on timeline (at)
  where kind = 'classified' or kind = 'provider_event' and data ? 'case';
create index delivery_of_case on delivery (last_case, created_at desc) where last_case is not null;
