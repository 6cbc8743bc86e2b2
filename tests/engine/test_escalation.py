"""Nobody who may act as a role of ours can become more than that role."""

from __future__ import annotations

import json
from typing import Any

import asyncpg

from mentalspace.engine.credentials import NewCredential, save_credential
from mentalspace.engine.db.address import LOGIN
from mentalspace.engine.secrets import Vault
from mentalspace.integrations import discover_rooms

# What somebody with the log-in's password might try: a table of their own under the name of
# ours, so that the owner's function touches it and runs their trigger.
_TRAP = f"""
create temp table appointment_notifications (delivery_id uuid, delivery_status text,
  status text, sent_at timestamptz, delivered_at timestamptz, error_message text, resend_id text);
create function pg_temp.trap() returns trigger language plpgsql as
  $trap$ begin execute 'alter role {LOGIN} superuser'; return new; end $trap$;
create trigger trap before update on appointment_notifications
  for each row execute function pg_temp.trap();
grant all on appointment_notifications to public;
"""


async def test_a_temporary_table_does_not_catch_the_owners_function(
    admin: asyncpg.Connection[Any], database_url: str, vault: Vault
) -> None:
    """What runs as the owner writes to our tables only, whatever the caller calls theirs."""
    practice_id = await admin.fetchval(
        "insert into practice (slug, name, timezone) values ('a', 'A', 'UTC') returning id"
    )
    provider = discover_rooms()["email"].providers[0]
    new = NewCredential(practice_id, "email", "a", "http://127.0.0.1:9", False, {"api_key": "k"})
    await admin.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    credential_id = await save_credential(admin, vault, provider, new)
    delivery_id = await admin.fetchval(
        "insert into delivery (practice_id, lane_id, credential_id, integration, kind,"
        " recipient_key, idempotency_key, traceparent)"
        " select practice_id, id, credential_id, integration, 'x', 'x', 'x', 'x' from lane"
        " where credential_id = $1 limit 1 returning id",
        credential_id,
    )
    login = await asyncpg.connect(database_url)
    try:
        await login.execute("set role mentalspace_worker")
        await login.execute(_TRAP)
        await login.execute(
            "insert into pg_temp.appointment_notifications (delivery_id) values ($1)", delivery_id
        )
        await login.execute(
            "select set_config('request.jwt.claims', $1, false)",
            json.dumps({"practice": str(practice_id)}),
        )
        await login.execute("update public.delivery set status = 'due' where id = $1", delivery_id)
        trapped = await login.fetchval("select status from pg_temp.appointment_notifications")
    finally:
        await login.close()
    assert trapped is None
    assert not await admin.fetchval("select rolsuper from pg_roles where rolname = $1", LOGIN)


async def test_what_runs_as_the_owner_looks_at_temporary_tables_last(
    admin: asyncpg.Connection[Any],
) -> None:
    """Every function with its owner's rights fixes its search path, temporary tables last."""
    rows = await admin.fetch(
        "select p.proname, p.proconfig from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')"
    )
    assert rows
    for row in rows:
        paths = [c for c in row["proconfig"] or () if c.startswith("search_path=")]
        assert paths and paths[0].endswith(", pg_temp"), row["proname"]
