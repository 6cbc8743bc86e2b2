-- Rates count a credential's messages by when the provider took them, or when they ended untaken.
create index delivery_counted on delivery (credential_id, (coalesce(accepted_at, ended_at)))
  where coalesce(accepted_at, ended_at) is not null;
-- From the few bounces and complaints to their messages.
create index timeline_told on timeline ((data ->> 'event'), at) where kind = 'provider_event';
