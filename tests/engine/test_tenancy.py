"""Who sees whose rows: asked of the database's own catalog, so that a new table is asked too."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from mentalspace.engine.db import Database
from mentalspace.engine.db.address import LOGIN

ROLES = ("authenticated", "mentalspace_worker", "mentalspace_dispatcher", "mentalspace_oncall",
         "mentalspace_door")  # fmt: skip

# What an on-call engineer may read, column by column: no name, no address, no body, no secret.
# A column that is granted and not here fails the test; think before adding it.
ONCALL = {
    "app.clock": "only_row clock_offset movable",
    "app.delivery_transition": "before after",
    "oncall.notification_logs": """id practice_id recipient_type recipient_phone notification_type
        sent_date sent_successfully error_message related_entity_type related_entity_id status
        created_at provider_message_id delivered_at error_code delivery_id delivery_status
        appointment_id occasion lead_min""",
    "oncall.appointment_notifications": """id practice_id appointment_id delivery_id
        notification_type recipient_email status delivery_status sent_at delivered_at
        error_message resend_id created_at""",  # recipient_email is masked by the view
    "oncall.audit": "id at practice_id actor action subject chain seq data",  # data by the view
    "public.practice": "id slug name timezone phone is_default is_drill created_at opening",
    "public.credential": """id practice_id integration provider endpoint base_url live rate_per_s
        burst version active drill created_at rotated_at test_only demands_agreement
        needs_agreement rank fail_over_after_s follows looks_up_numbers entered_by""",
    "public.credential_former": """credential_id practice_id base_url live test_only entered_at
        entered_by went_well replaced_at forget_at answered_at good""",
    "public.credential_state": """credential_id practice_id next_slot_at slow_until
        slow_interval_s breaker recent opened_at open_until open_for_s probe_by probe_until
        last_good_at override_state override_reason override_until override_by override_moves
        named_limit named_window_s
        window_number window_at window_used window_open_by others others_before""",
    "public.lane": """id practice_id credential_id integration provider class state paused_at
        paused_until paused_case paused_by paused_for_phi""",
    "public.delivery": """id practice_id lane_id credential_id integration kind subject_type
        subject_id client_id recipient_key status idempotency_key due_at next_attempt_at expires_at
        attempts starts reconciliations first_attempt_at claimed_by claimed_at provider_message_id
        last_case held_reason traceparent drill created_at accepted_at ended_at carries_phi
        alone batch_id unknown_at weight ask_at questions put_away hours purged_at""",
    "public.vendor_agreement": """id practice_id vendor kind signed_on expires_on recorded_at
        revoked_at drill""",
    "public.attempt": """id practice_id lane_id credential_id integration purpose state
        idempotency_key worker deadline_s started_at finished_at duration_ms evidence_kind http
        code request_id case_id case_version disposition fault traceparent drill
        size rate_limit rate_remaining""",
    "public.attempt_delivery": "attempt_id delivery_id practice_id place",
    "public.timeline": """id at practice_id delivery_id attempt_id lane_id incident_id kind data
        actor drill""",
    "public.hook_refusal": "code credential_id last_at practice_id refused since",
    "public.inbox": """id practice_id credential_id integration provider external_id state tries
        next_try_at held_reason received_at processed_at drill dated_at""",
    "public.callback_question": "delivery_id practice_id credential_id asked_at answer ended_at",
    "public.acknowledgement_owed": "incident_id actor said_by at",
    "public.incident": """id key rule_id case_id integration credential_id practice_id severity
        title fault status opened_at since recovered_at acknowledged_at acknowledged_by resolved_at
        resolved_by ack_due_at escalation_step next_escalation_at facts drill resolve_within_s
        resolve_due_at rounds evidence_at evidence_lease cause lead_id archived_at archived_by
        archived_people archived_severity""",
    "public.rollup_hour": """practice_id credential_id at integration provider accepted units
        delivered silent recipient ours theirs first_failed_at send_n send_sum_s send_spread way_n
        way_sum_s way_spread requests requests_theirs opt_outs codes events""",
    "public.rollup_day": """practice_id credential_id day integration provider accepted units
        delivered silent recipient ours theirs first_failed_at send_n send_sum_s send_spread way_n
        way_sum_s way_spread requests requests_theirs opt_outs codes events""",
    "public.rollup_platform": """at integration provider accepted units
        delivered silent recipient ours theirs first_failed_at send_n send_sum_s send_spread way_n
        way_sum_s way_spread requests requests_theirs opt_outs codes events""",
    "public.rollup_state": """only_row folded_until read_id seen_id pending_id pending_xmax rules
        recounted_to""",
    "public.reached": "practice_id credential_id recipient_key last_at",
    "public.incident_task": """id incident_id kind position text note opened_at done_at done_by""",
    "public.incident_evidence": """id incident_id place kind title source version asked said problem
        taken_at""",
    "public.suppression": """id practice_id integration recipient_key delivery_id case_id reason
        created_at lifted_at lifted_by drill""",
    "public.page": """id incident_id target meant step state tries error next_try_at created_at
        sent_at""",
    "public.alert_state": """key rule_id state since detail credential_id practice_id
        integration alerted_at""",
    "public.alert_change": "id credential_id practice_id integration rule_id state at",
    "public.alert_silence": """id rule_id integration practice_id reason created_by created_at
        until_at lifted_at lifted_by""",
    "public.heartbeat": "process kind host pid started_at beat_at loops",
    "public.process_end": "kind host pid ended_at lived_s status said",
    "public.drill_run": """id drill started_at finished_at passed expected observed seconds actor
        game_day injected_at detected_at healed_at recovered_at proved revision chain seq""",
    "public.game_day": """id started_at finished_at state actor planned per_minute estimate_s
        background stop_wanted beat_at""",
    "public.evidence": "chain seq kind body previous hash written_at",
    "public.evidence_head": "chain seq hash",
    "public.oncall_person": "id name active created_at",
    "public.oncall_contact": "id person_id kind rank hint active created_at",
    "public.oncall_layer": """id target name rank zone hand_over every_days starts_on ends_on people
        active made_by created_at""",
    "public.oncall_override": """id layer_id person_id starts_at ends_at reason made_by made_at
        called_off_at called_off_by""",
    "public.page_send": """page_id channel kind label person_id state error tries told key at
        tell_after""",
    "public.pulse": "name first_at beat_at",
    "public.page_channel": "key label sent_at failing_since error",
    "public.alarm_test": "id asked_at asked_by started_at finished_at passed results",
    "public.trace_state": """only_row read_id pending_id pending_xmax holder held_until
        sent_at spans failing_since failure""",
    "public.phone_line": "practice_id kind told_by asked_at credential_id case_id",
    "storage.buckets": """practice_id id name owner owner_id created_at updated_at public
        avif_autodetection file_size_limit allowed_mime_types type versioning_status
        quota_bytes retention_days""",
    "storage.objects": """id practice_id bucket_id name owner owner_id created_at updated_at
        last_accessed_at metadata path_tokens version user_metadata archived_at is_delete_marker
        is_versioned""",  # name and path are masked by the view, user_metadata is empty
    "storage.transfer": """id practice_id bucket_id way outcome fault size_bytes took_s at drill""",
    "storage.traffic": """practice_id hour bucket_id way outcome fault size_class drill number
        size_bytes took_s""",
    "storage.moved": """practice_id at bucket_id way outcome fault size_class drill number
        size_bytes took_s""",
    "storage.usage": "practice_id bucket_id files size_bytes quota_bytes counted_at drill",
    "storage.sweep": "practice_id swept_at unnamed lost drill",
    "storage.disk": "drill total_bytes free_bytes looked_at",
    "storage.scan": """practice_id version file_id state scanner finding trouble tries landed_at
        next_at settled_at""",
    "public.room_gauge": """practice_id integration metric subject value n bad seen measured_at
        drill""",
    "public.credential_check": """credential_id practice_id asked_at answered_at good since
        case_id fault said recent""",
    "public.alarm_state": "only_row nobody broken checked_at",
    "public.appointment": "id practice_id starts_at status",
    "public.payload_opening": """id practice_id what subject opened_by opener role reason opened_at
        until_at""",
    "public.audit_head": "chain seq hash",
}
# Whoever schedules and counts needs none of these.
PRIVATE = {
    "public.delivery": {"payload", "client_id"},
    "public.credential": {"secrets"},
    "public.credential_former": {"secrets"},
    "public.inbox": {"payload"},
    "public.vendor_agreement": {"reference", "recorded_by"},
    "public.client": {"name", "email", "phone"},
    "public.app_user": {"name", "email", "password_hash"},
    "public.appointment": {"client_id", "clinician_email"},
    "public.appointment_notifications": {"recipient_email"},
    "public.import_row": {"raw", "header"},
    "public.task": {"text", "client_id"},
    "public.session": {"id_hash", "csrf"},
    "public.one_time_code": {"attempt_hash", "code_tag", "client_id"},
    "public.second_factor": {"secret", "pending"},
    "public.recovery_code": {"code_hash"},
    "public.half_log_in": {"id_hash"},
    "public.api_request": {"body"},
    "storage.file": {"name", "path_tokens", "user_metadata", "owner_id", "locked"},
    "storage.archived": {"name", "user_metadata", "owner_id", "locked"},
    "storage.upload": {"name", "told", "user_metadata", "owner_id", "locked"},
    "storage.key": {"sealed"},
}

# Of which staff have only what is their own, or their files', within their practice.
ONES_OWN = {"public.membership", "storage.link", "storage.scan", "storage.upload"}

_TABLES = """
select n.nspname || '.' || c.relname as name, c.relkind::text as kind, c.relrowsecurity as secured,
       coalesce('security_invoker=true' = any (c.reloptions), false) as by_asker,
       exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'practice_id'
                  and not a.attisdropped) as of_practice
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'v', 'm') and n.nspname in ('public', 'app', 'oncall', 'storage')
 order by 1
"""
_COLUMNS = """
select a.attname, format_type(a.atttypid, null) as type
  from pg_attribute a
 where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped and a.attnotnull
   and not a.atthasdef and a.attidentity = '' and a.attgenerated = ''
"""
# Values for columns that take only some; anything else is filled by its type.
CHOICES = {
    "lane.class": "bulk",
    "alert_state.state": "normal",
    "alert_change.state": "normal",
    "incident.severity": "low",
    "incident.fault": "ours",
    "import_file.kind": "csv",
    "membership.role": "biller",
    "appointment_notifications.notification_type": "created",
    "notification_logs.notification_type": "sms",
    "practice_text.language": "en",
    "consent_entry.what": "agreed",
    "consent_entry.how": "staff",
    "payload_opening.what": "message",
    "payload_opening.role": "oncall",
    "phone_line.e164": "+12025550142",
    "link.scope": "download",
    "archived.why": "deleted",
    "hold.kind": "file",
    "transfer.way": "up",
    "transfer.fault": "none",
}
BY_TYPE: Mapping[str, Callable[[], Any]] = {
    "text": lambda: f"x{uuid4().hex}",
    "integer": lambda: 1,
    "bigint": lambda: 1,
    "double precision": lambda: 1.0,
    "date": lambda: date(2026, 1, 1),
    "boolean": lambda: False,
    "bytea": lambda: uuid4().bytes,
    "jsonb": lambda: "{}",
}


@dataclass(frozen=True, slots=True)
class Two:
    """Two practices with one row each in every table that belongs to a practice."""

    ours: UUID
    theirs: UUID
    tables: tuple[str, ...]


async def practice_tables(admin: asyncpg.Connection[Any]) -> list[str]:
    return [
        row["name"]
        for row in await admin.fetch(_TABLES)
        if row["of_practice"] and row["kind"] in ("r", "p")
    ]


@pytest.fixture
async def two(admin: asyncpg.Connection[Any]) -> AsyncIterator[Two]:
    ours, theirs = [
        await admin.fetchval(
            "insert into practice (slug, name, timezone) values ($1, $1, 'UTC') returning id", slug
        )
        for slug in ("ours", "theirs")
    ]
    tables = await practice_tables(admin)
    await admin.execute("set session_replication_role = replica")
    for table in tables:
        for practice_id in (ours, theirs):
            await _fill(admin, table, practice_id)
    await admin.execute("reset session_replication_role")
    yield Two(ours, theirs, tuple(tables))


async def _fill(
    admin: asyncpg.Connection[Any], table: str, practice_id: UUID, **given: Any
) -> None:
    """One row that says no more than it must. Foreign keys do not look."""
    values: dict[str, Any] = {}
    for row in await admin.fetch(_COLUMNS, table):
        name, type_name = row["attname"], row["type"]
        key = f"{table.partition('.')[2]}.{name}"
        if type_name == "uuid":
            values[name] = uuid4()
        elif type_name.startswith("timestamp"):
            values[name] = await admin.fetchval("select now()")
        elif key in CHOICES:
            values[name] = CHOICES[key]
        else:
            values[name] = BY_TYPE[type_name]()
    values.update(given, practice_id=practice_id)
    marks = ", ".join(f"${n + 1}" for n in range(len(values)))
    await admin.execute(
        f"insert into {table} ({', '.join(values)}) values ({marks})", *values.values()
    )


def staff(practice_id: UUID, role: str = "administrator") -> dict[str, Any]:
    return {"sub": str(uuid4()), "practice": str(practice_id), "practice_role": role}


async def may(admin: asyncpg.Connection[Any], role: str, table: str, verb: str) -> bool:
    """Whether a role has a privilege on a table or on any of its columns."""
    allowed: bool = await admin.fetchval(
        "select has_table_privilege($1, $2, $3) or has_any_column_privilege($1, $2, $3)",
        role,
        table,
        verb,
    )
    return allowed


async def test_every_table_of_a_practice_is_protected(admin: asyncpg.Connection[Any]) -> None:
    """Every table with a practice in it has row-level security, and there is a policy on it."""
    tables = [row for row in await admin.fetch(_TABLES) if row["of_practice"]]
    assert len(tables) > 15
    unprotected = [r["name"] for r in tables if r["kind"] in ("r", "p") and not r["secured"]]
    assert unprotected == []


async def test_no_view_leads_around_the_policies(admin: asyncpg.Connection[Any]) -> None:
    """Views read with their owner's eyes: only on-call, who sees every practice, may use one.
    Those that read with the asker's are as good as their tables."""
    for row in await admin.fetch(_TABLES):
        if row["kind"] in ("v", "m") and not row["by_asker"]:
            for role in (*ROLES, "public"):
                if role != "mentalspace_oncall":
                    assert not await may(admin, role, row["name"], "select"), row["name"]


@pytest.mark.parametrize("role", ["authenticated", "mentalspace_worker"])
async def test_another_practices_rows_are_invisible(
    database: Database, admin: asyncpg.Connection[Any], two: Two, role: str
) -> None:
    """In every table a practice's people and workers see their own row and not the other's."""
    looked = 0
    for table in two.tables:
        if not await may(admin, role, table, "select"):
            continue
        async with database.acting(role, staff(two.ours)) as connection:
            rows = await connection.fetch(f"select practice_id from {table}")
        seen = {row["practice_id"] for row in rows}
        assert two.theirs not in seen, table
        if table not in ONES_OWN:
            assert seen == {two.ours}, table
            looked += 1
    assert looked >= 7


@pytest.mark.parametrize("role", ["authenticated", "mentalspace_worker"])
async def test_nothing_is_written_into_another_practice(
    database: Database, admin: asyncpg.Connection[Any], two: Two, role: str
) -> None:
    """In every table a row that names another practice is refused, and changing finds none."""
    tried = 0
    for table in two.tables:
        if await may(admin, role, table, "insert"):
            tried += 1
            insert = f"insert into {table} (practice_id) values ($1)"
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                async with database.acting(role, staff(two.ours)) as connection:
                    await connection.execute(insert, two.theirs)
            # The same into one's own gets past the policy, to the columns that are missing.
            try:
                async with database.acting(role, staff(two.ours)) as connection:
                    await connection.execute(insert, two.ours)
            except asyncpg.IntegrityConstraintViolationError:
                pass
            except asyncpg.InsufficientPrivilegeError:
                assert table in ONES_OWN, table
        if await admin.fetchval(
            "select has_column_privilege($1, $2, 'practice_id', 'update')", role, table
        ):
            async with database.acting(role, staff(two.ours)) as connection:
                count = await connection.execute(
                    f"update {table} set practice_id = practice_id where practice_id = $1",
                    two.theirs,
                )
            assert count == "UPDATE 0", table
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with database.acting(role, staff(two.ours)) as connection:
                    await connection.execute(f"update {table} set practice_id = $1", two.theirs)
    assert tried >= 4


@pytest.mark.parametrize("role", ["authenticated", "mentalspace_worker"])
async def test_without_claims_there_is_nothing(
    database: Database, admin: asyncpg.Connection[Any], two: Two, role: str
) -> None:
    """A role that does not say for which practice it acts sees no row of any."""
    for table in two.tables:
        if await may(admin, role, table, "select"):
            async with database.acting(role, {}) as connection:
                assert await connection.fetch(f"select practice_id from {table}") == [], table


async def test_a_client_sees_only_what_is_theirs(
    database: Database, admin: asyncpg.Connection[Any], two: Two
) -> None:
    """A client reads their own record, appointments and mails, nobody else's, and writes none."""
    me, other = [
        await admin.fetchval(
            "insert into client (practice_id, external_id, name) values ($1, $2, 'x') returning id",
            two.ours,
            name,
        )
        for name in ("me", "other")
    ]
    await admin.execute("set session_replication_role = replica")
    for client in (me, other):
        for table in ("appointment", "delivery"):
            await _fill(admin, f"public.{table}", two.ours, client_id=client)
    await admin.execute("reset session_replication_role")
    claims = {**staff(two.ours, "client"), "client": str(me)}
    readable = {"public.client": "id", "public.appointment": "client_id",
                "public.delivery": "client_id"}  # fmt: skip
    for table in two.tables:
        if not await may(admin, "authenticated", table, "select"):
            continue
        async with database.as_user(claims) as connection:
            column = readable.get(table, "practice_id")
            seen = [row[0] for row in await connection.fetch(f"select {column} from {table}")]
        assert set(seen) == ({me} if table in readable else set()), table
        if await may(admin, "authenticated", table, "insert"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with database.as_user(claims) as connection:
                    await connection.execute(
                        f"insert into {table} (practice_id) values ($1)", two.ours
                    )


# Roles --------------------------------------------------------------------------------------


async def test_the_login_owns_nothing_and_may_nothing(
    admin: asyncpg.Connection[Any], database_url: str
) -> None:
    """The role that logs in owns no object, inherits nothing, and reads no table as itself."""
    owned = await admin.fetchval(
        "select count(*) from pg_class c join pg_roles r on r.oid = c.relowner"
        " where r.rolname = $1", LOGIN,
    )  # fmt: skip
    role = await admin.fetchrow("select * from pg_roles where rolname = $1", LOGIN)
    assert role is not None
    assert owned == 0
    assert not any(
        role[power]
        for power in ("rolsuper", "rolinherit", "rolcreaterole", "rolcreatedb", "rolbypassrls",
                      "rolreplication")
    )  # fmt: skip
    login = await asyncpg.connect(database_url)
    try:
        for row in await admin.fetch(_TABLES):
            if row["name"] in ("app.clock", "app.delivery_transition"):
                continue  # they say the same to everybody
            for statement in (f"select * from {row['name']}", f"delete from {row['name']}"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await login.execute(statement)
        for statement in (
            "set role postgres",
            "create table public.mine (a int)",
            "create schema mine",
            "alter table public.delivery disable row level security",
            "select * from queue.pgqueuer",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await login.execute(statement)
    finally:
        await login.close()


async def test_no_role_goes_around_the_policies(admin: asyncpg.Connection[Any]) -> None:
    """No role of the application owns a table, bypasses policies, logs in, or may delete."""
    for role in ROLES:
        row = await admin.fetchrow("select * from pg_roles where rolname = $1", role)
        assert row is not None
        assert not row["rolcanlogin"]
        assert not row["rolbypassrls"]
        assert not row["rolsuper"]
    deletable = {
        (role, row["name"])
        for row in await admin.fetch(_TABLES)
        for role in ROLES
        if await admin.fetchval("select has_table_privilege($1, $2, 'delete')", role, row["name"])
    }
    assert deletable == {
        ("authenticated", "public.api_request"),
        # held by policies, and written down in the audit
        ("authenticated", "storage.buckets"),
        ("authenticated", "storage.file"),
        # one's own that is not whole
        ("authenticated", "storage.upload"),
        ("mentalspace_dispatcher", "storage.upload"),
        ("mentalspace_dispatcher", "public.heartbeat"),
        # of the installation, and names nobody: for a week
        ("mentalspace_dispatcher", "public.process_end"),
        # what was asked of a day, and names nobody
        ("mentalspace_dispatcher", "public.callback_question"),
        # who said that they have an incident, until that is written down
        ("mentalspace_dispatcher", "public.acknowledgement_owed"),
        # how a board came to look as it does, for two weeks
        ("mentalspace_dispatcher", "public.alert_change"),
        # a drill's, once it is over
        ("mentalspace_dispatcher", "public.alert_state"),
        # counted ahead from the ledger, and counted anew at any time
        ("mentalspace_dispatcher", "public.rollup_platform"),
        ("mentalspace_dispatcher", "public.rollup_hour"),
        ("mentalspace_dispatcher", "public.rollup_day"),
        ("mentalspace_dispatcher", "public.reached"),
        # as it was counted last, and a drill's once it is over
        ("mentalspace_dispatcher", "public.room_gauge"),
        ("mentalspace_dispatcher", "storage.disk"),
        ("mentalspace_dispatcher", "storage.sweep"),
        ("mentalspace_dispatcher", "storage.traffic"),
        ("mentalspace_dispatcher", "storage.transfer"),
        ("mentalspace_dispatcher", "storage.usage"),
        # of its practice, once its time is over
        ("mentalspace_worker", "public.credential_former"),
        # kept only until the collector has it
        ("mentalspace_dispatcher", "public.trace_request"),
    }


@pytest.mark.parametrize("role", ["mentalspace_dispatcher", "mentalspace_oncall"])
async def test_who_sees_every_practice_sees_nobody(
    admin: asyncpg.Connection[Any], role: str
) -> None:
    """Dispatcher and on-call read no payload, secret, name or address of anybody."""
    for table, columns in PRIVATE.items():
        if table == "public.delivery":
            columns = columns - {"client_id"}  # an id names nobody
        for column in columns:
            allowed = await admin.fetchval(
                "select has_column_privilege($1, $2, $3, 'select')", role, table, column
            )
            assert not allowed, f"{table}.{column}"


async def test_on_call_sees_what_the_list_says_and_no_more(admin: asyncpg.Connection[Any]) -> None:
    """Every column an on-call engineer may read stands on the list above."""
    granted: dict[str, set[str]] = {}
    for row in await admin.fetch(
        "select n.nspname || '.' || c.relname as name, a.attname from pg_class c"
        " join pg_namespace n on n.oid = c.relnamespace"
        " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " where c.relkind in ('r', 'p', 'v', 'm')"
        " and n.nspname not in ('pg_catalog', 'information_schema')"
        " and has_column_privilege('mentalspace_oncall', c.oid, a.attnum, 'select')"
        " and has_schema_privilege('mentalspace_oncall', n.oid, 'usage')"
    ):
        granted.setdefault(row["name"], set()).add(row["attname"])
    assert granted == {table: set(columns.split()) for table, columns in ONCALL.items()}


async def test_on_call_reads_a_masked_address(
    database: Database, admin: asyncpg.Connection[Any], two: Two
) -> None:
    """Under the real table's name on-call finds its rows with the address masked."""
    await admin.execute("update appointment_notifications set recipient_email = 'who@x.example'")
    async with database.as_oncall() as connection:
        rows = await connection.fetch("select recipient_email from appointment_notifications")
    assert [row[0] for row in rows] == ["w***@***"] * 2


async def test_claims_do_not_outlive_their_transaction(database_url: str, two: Two) -> None:
    """A connection used for one practice serves the next as if it had never seen the first."""
    from mentalspace.engine.db import connect

    async with connect(database_url, size=1) as database:
        async with database.as_user(staff(two.theirs)) as connection:
            await connection.fetch("select 1")
        async with database._pool.acquire() as raw:
            assert await raw.fetchval("select current_user") == LOGIN
            assert json.loads(await raw.fetchval(
                "select coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')"
            )) == {}  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await raw.fetch("select id from delivery")
