"""A table that somebody locked: the console names who, in time, and does not wait with the rest."""

from __future__ import annotations

import re

import pytest

from mentalspace.engine.acknowledged import settle_owed
from tests.console.stage import Stage
from tests.console.test_doors import _csrf, visitor

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks waits a tenth of a second for a lock, and not three."""
    monkeypatch.setattr("mentalspace.engine.db.pool.LOOKING_WAITS_S", 0.1)
    monkeypatch.setattr("mentalspace.console.door.LOOKING_WAITS_S", 0.1)
    monkeypatch.setattr("mentalspace.practice.identity.LOOKING_WAITS_S", 0.1)


async def test_a_locked_table_is_told_with_its_holder(stage: Stage) -> None:
    """On-call reads who, and what to do, though hardly a page can be read; practice staff read
    that their work is kept, and no word of the database's insides."""
    holder, pid = stage.owner, await stage.owner.fetchval("select pg_backend_pid()")
    async with visitor(stage, "oncall") as oncall, visitor(stage, "frontdesk") as desk:
        await holder.execute("set application_name = 'nightly-cleanup'")
        try:
            await holder.execute("begin; lock table delivery in access exclusive mode")
            for path in ("/", "/incidents", "/messages"):
                async with oncall.get(path) as answer:
                    seen = answer.status, plain(await answer.text())
                    assert seen[0] == 503, path
                    assert (
                        f"Table delivery locked by pid {pid}, application nightly-cleanup"
                        " (idle in transaction) for"
                    ) in seen[1]
                    assert f"select pg_terminate_backend({pid})" in seen[1]
                    assert "from 127.0.0.1" in seen[1] or "from this host" in seen[1]
                    assert "nobody can count them while this lasts" in seen[1]
                    assert "taken by nobody yet" in seen[1], seen[1][:1900]
            async with desk.get("/messages") as answer:
                told = plain(await answer.text())
                assert (answer.status, "Your work is kept." in told) == (503, True)
                assert "nightly-cleanup" not in told
        finally:
            await holder.execute("rollback; reset application_name")
        try:
            await holder.execute("begin; lock table lane in access exclusive mode")
            async with oncall.get("/") as answer:
                told = plain(await answer.text())
                assert re.search(r"Who waits: \d+ messages? to \d+ (person|people)", told)
        finally:
            await holder.execute("rollback")
        async with oncall.get("/") as answer:
            assert answer.status == 200


@pytest.mark.parametrize("table", ["credential", "credential_state", "lane", "delivery", "page"])
async def test_an_incident_is_taken_while_a_table_is_locked(stage: Stage, table: str) -> None:
    """The page in place of the incident's has its button first; pressed, the incident is taken in
    the person's name though the lock still holds, which the next page says."""
    path = f"/incidents/{stage.incident}"
    async with visitor(stage, "oncall") as oncall:
        token = await _csrf(oncall)
        try:
            await stage.owner.execute(f"begin; lock table {table} in access exclusive mode")
            async with oncall.get(path) as answer:
                shown = await answer.text()
                assert answer.status == 503
                assert shown.index(f'href="{path}"') < shown.index(f'action="{path}/acknowledge"')
            async with oncall.post(f"{path}/acknowledge", data={"csrf": token}) as answer:
                assert str(answer.url.relative()) == f"{path}?done=acknowledged"
                told = plain(await answer.text())
                assert answer.status == 503
                assert "Acknowledged. Escalation has stopped" in told
                assert "taken by Noor Haddad" in told
                assert "taken by nobody yet" not in told
        finally:
            await stage.owner.execute("rollback")
    row = await stage.owner.fetchrow(
        "select status, acknowledged_by, (select actor from timeline t where t.incident_id = i.id"
        " and t.kind = 'acknowledged') as actor from incident i where id = $1",
        stage.incident,
    )
    assert tuple(row) == ("acknowledged", "Noor Haddad", "Noor Haddad")


@pytest.mark.parametrize("table", ["practice", "timeline", "incident"])
async def test_what_cannot_be_written_down_yet_is_taken_all_the_same(
    stage: Stage, table: str
) -> None:
    """Its button is there; pressed, the person reads that they have it, and that it is written down
    once the lock is gone: then it is, in their name, with when they said so."""
    path = f"/incidents/{stage.incident}"
    async with visitor(stage, "oncall") as oncall:
        token = await _csrf(oncall)
        try:
            await stage.owner.execute(f"begin; lock table {table} in access exclusive mode")
            async with oncall.get(path) as answer:
                assert f'action="{path}/acknowledge"' in await answer.text()
                assert answer.status == 503
            async with oncall.post(f"{path}/acknowledge", data={"csrf": token}) as answer:
                assert str(answer.url.relative()) == f"{path}?done=owed"
                told = await answer.text()
                assert "Taken: it pages nobody further." in plain(told)
                assert "taken by Noor Haddad, which is written down" in plain(told)
                assert f'action="{path}/acknowledge"' not in told
        finally:
            await stage.owner.execute("rollback")
    said_at = await stage.owner.fetchval("select at from acknowledgement_owed")
    assert await settle_owed(stage.services.database) == 1
    row = await stage.owner.fetchrow(
        "select status, acknowledged_by, acknowledged_at, (select count(*) from audit a"
        " join app_user u on u.id::text = a.actor where a.subject = i.id::text"
        " and a.action = 'incident.acknowledged' and u.name = 'Noor Haddad') as audited"
        " from incident i where id = $1",
        stage.incident,
    )
    assert tuple(row) == ("acknowledged", "Noor Haddad", said_at, 1)
    assert await stage.owner.fetchval("select count(*) from acknowledgement_owed") == 0


async def test_whoever_cannot_be_known_is_told_so(stage: Stage) -> None:
    """With the sessions locked nobody is let in, nor sent to sign in again: what is the matter is
    said, and where an incident can be taken meanwhile."""
    async with visitor(stage, "oncall") as oncall:
        try:
            await stage.owner.execute("begin; lock table session in access exclusive mode")
            async with oncall.get("/incidents") as answer:
                told = await answer.text()
                assert (answer.status, answer.headers["retry-after"]) == (503, "5")
                assert "mentalspace incident acknowledge" in told
                assert "pid" not in told
        finally:
            await stage.owner.execute("rollback")


# Open on one day of the week alone, which is not now anywhere.
_ASLEEP = """
select jsonb_build_object('zones', '["UTC"]'::jsonb, 'week', (
  select jsonb_agg(case when day = (extract(isodow from app.now())::int + 2) % 7
                        then '[540, 1020]'::jsonb end order by day)
    from generate_series(0, 6) as day))
"""


async def test_whoever_waits_for_the_morning_is_not_counted(stage: Stage) -> None:
    """What is due outside its hours is late for nobody, though the lane that is locked has not put
    it off; what waits for its next try is late, and a client with two such messages is one."""
    held = "select id from delivery where status = 'pending' order by due_at, id limit 5"
    ids = [row["id"] for row in await stage.owner.fetch(held)]
    await stage.owner.execute(
        "update delivery set due_at = app.now() - interval '1 hour', hours = null,"
        " client_id = (select client_id from delivery where id = $2),"
        " next_attempt_at = app.now() + interval '2 minutes' where id = any ($1)",
        ids[:3],
        ids[0],
    )
    await stage.owner.execute(
        "update delivery set due_at = app.now() - interval '1 hour', next_attempt_at = app.now(),"
        f" hours = ({_ASLEEP}) where id = any ($1)",
        ids[3:],
    )
    await stage.owner.execute(
        "update delivery set due_at = app.now() + interval '1 day' where status = 'pending'"
        " and id <> all ($1)",
        ids,
    )
    async with visitor(stage, "oncall") as oncall:
        try:
            await stage.owner.execute("begin; lock table lane in access exclusive mode")
            async with oncall.get("/") as answer:
                told = plain(await answer.text())
                assert "Who waits: 3 messages to 1 person are due and have not left" in told
                assert "; 0 more are due within the hour" in told
        finally:
            await stage.owner.execute("rollback")


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
