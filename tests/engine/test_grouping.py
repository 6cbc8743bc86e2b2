"""A storm over many practices is one group: paged once, taken once, told in sums."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from mentalspace.engine.archive import archive
from mentalspace.engine.incidents import acknowledge, resolve
from tests.engine.desk import MINUTE, Desk
from tests.engine.toy import Bench, Reply, make_practice

PRACTICES = 300
PEOPLE = 5

# So many people of each practice met the provider's failure; the ledger's lines, without a worker.
_STORM = """
with made as (
  insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
    idempotency_key, traceparent, status, attempts)
  select l.practice_id, l.id, l.credential_id, 'toy', 'greeting', l.practice_id::text || n,
         l.id::text || n, '', 'pending', 1
    from lane l cross join generate_series(1, $1) n where l.class = 'interactive'
     and l.practice_id = any ($2)
  returning id, practice_id, lane_id, credential_id
), tried as (
  insert into attempt (id, practice_id, lane_id, credential_id, integration, state,
    idempotency_key, worker, deadline_s, started_at, finished_at, case_id, fault, traceparent)
  select id, practice_id, lane_id, credential_id, 'toy', 'failed', id::text, 'w', 10,
         app.now() - interval '1 s', app.now(), $4, $3, '' from made
  returning id, practice_id
)
insert into attempt_delivery (attempt_id, delivery_id, practice_id)
select id, id, practice_id from tried
"""


async def storm(
    bench: Bench,
    practices: int,
    fault: str = "theirs",
    start: int = 0,
    case: str = "toy.busy",
    people: int = PEOPLE,
) -> list[Any]:
    ids = []
    for number in range(start, start + practices):
        practice_id = await make_practice(bench.admin, f"practice-{number}")
        await bench.save_credential(practice_id, f"endpoint-{number}", f"k-{number}")
        ids.append(practice_id)
    # The foreign key from the attempts' side is put in one statement with them.
    await bench.admin.execute("set session_replication_role = replica")
    await bench.admin.execute(_STORM, people, ids, fault, case)
    await bench.admin.execute("reset session_replication_role")
    return ids


async def incidents(desk: Desk) -> list[dict[str, Any]]:
    rows = await desk.bench.admin.fetch(
        "select * from incident order by lead_id nulls first, opened_at, id"
    )
    return [dict(row) for row in rows]


async def test_a_storm_pages_once_and_says_how_many(desk: Desk) -> None:
    """Three hundred practices fail in one moment: one group, one page that counts them."""
    await storm(desk.bench, PRACTICES)
    await desk.tick()
    lead, *members = await incidents(desk)
    assert len(members) == PRACTICES - 1
    assert {one["lead_id"] for one in members} == {lead["id"]}
    assert {one["next_escalation_at"] for one in members} == {None}
    [(target, text)] = desk.pages
    assert target == "oncall"
    assert f"{PRACTICES * PEOPLE:,} people in {PRACTICES} practices so far" in text
    await desk.tick(31 * MINUTE)
    assert len(desk.pages) == 3  # the lead's next rung, and nobody else's


async def test_who_takes_the_lead_takes_all(desk: Desk) -> None:
    """Acknowledged or resolved, all are; one that joins later is in the same hands, and silent."""
    await storm(desk.bench, 2)
    await desk.tick()
    lead, _member = await incidents(desk)
    async with desk.bench.database.as_oncall() as connection:
        assert await acknowledge(connection, lead["id"], "noor")
    await storm(desk.bench, 1, start=2)
    await desk.tick()
    assert {one["acknowledged_by"] for one in await incidents(desk)} == {"noor"}
    assert len(desk.pages) == 1
    async with desk.bench.database.as_oncall() as connection:
        assert await resolve(connection, lead["id"], "noor")
    assert {one["status"] for one in await incidents(desk)} == {"resolved"}
    await desk.tick(MINUTE)
    again = await incidents(desk)
    assert [(one["id"], one["lead_id"], one["status"]) for one in again] == [
        (one["id"], one["lead_id"], "open") for one in [lead, *again[1:]]
    ], "closed while it lasts, it is the same group again, and not three more incidents"
    assert (len(again), len(desk.pages)) == (3, 2)


_LED = """
with lead as (
  insert into incident (key, rule_id, integration, practice_id, severity, title, fault, since,
    ack_due_at)
  values ($1, 'toy.x', 'toy', $2, 'high', 'x', 'theirs', app.now(), app.now()) returning id
), led as (
  insert into incident (key, rule_id, integration, practice_id, severity, title, fault, since,
    ack_due_at, lead_id)
  select $1 || n, 'toy.x', 'toy', $2, 'high', 'x', 'theirs', app.now(), app.now(), lead.id
    from lead cross join generate_series(1, $3) n
)
select id from lead
"""


async def test_a_large_group_is_taken_in_as_many_questions_as_a_small_one(desk: Desk) -> None:
    """Each member has its line in the timeline, and its practice an entry in an unbroken audit."""
    admin = desk.bench.admin
    # The driver asks some of its own the first time.
    asked: dict[int, list[Any]] = {1: [], 3: [], 30: []}
    for members, queries in asked.items():
        lead_id = await admin.fetchval(_LED, f"of-{members}", desk.bench.practice_id, members)
        async with desk.bench.database.as_oncall() as connection:
            with connection.query_logger(queries.append):
                assert await acknowledge(connection, lead_id, "noor")
    assert len(asked[30]) == len(asked[3]) > 0
    told = "select count(distinct incident_id) from timeline where kind = 'acknowledged'"
    assert await admin.fetchval(told) == 2 + 4 + 31
    audited = "select count(distinct subject) from audit where action = 'incident.acknowledged'"
    assert await admin.fetchval(audited) == 2 + 4 + 31
    assert await admin.fetch("select * from app.broken_audit()") == []


async def test_what_is_ours_stays_each_practices_own(desk: Desk) -> None:
    """Two practices whose own requests are refused are two incidents and two pages; so are three,
    unless it is a key that is refused."""
    await storm(desk.bench, 2, fault="ours")
    await desk.tick()
    assert [one["lead_id"] for one in await incidents(desk)] == [None, None]
    assert len(desk.pages) == 2
    await storm(desk.bench, 1, fault="ours", start=2)
    await desk.tick(MINUTE)
    assert [one["lead_id"] for one in await incidents(desk)] == [None, None, None]


async def refuse_keys(bench: Bench, practices: int, start: int = 0) -> list[Any]:
    """Of one person each: no rule on people in a row speaks as well."""
    return await storm(bench, practices, "ours", start, "toy.bad_key", people=1)


async def test_keys_refused_at_many_practices_are_one_cause(desk: Desk) -> None:
    """Three hundred practices' keys are refused at once: one incident is paged, as theirs most
    likely, with what is safe to do; whoever meets it later joins, and pages nobody."""
    await refuse_keys(desk.bench, PRACTICES)
    await desk.tick()
    lead, *members = await incidents(desk)
    assert len(members) == PRACTICES - 1
    assert {one["lead_id"] for one in members} == {lead["id"]}
    assert {one["fault"] for one in (lead, *members)} == {"theirs"}
    assert len(desk.pages) == 3, "whom a critical one pages, once each"
    text = desk.pages[0][1]
    assert f"Theirs most likely: Acme refuses the keys of {PRACTICES} practices; since" in text
    assert "First: look at the provider's status page, and ask it; enter no new keys yet" in text
    await refuse_keys(desk.bench, 1, start=PRACTICES)
    await desk.tick(timedelta(minutes=30))
    joined = await incidents(desk)
    assert [one["lead_id"] for one in joined].count(None) == 1
    assert joined[0]["facts"]["practices"] == PRACTICES + 1
    async with desk.bench.database.as_oncall() as connection:
        assert await resolve(connection, lead["id"], "noor")
    desk.pages.clear()
    await desk.tick(MINUTE)
    again = await incidents(desk)
    assert (len(again), again[0]["id"]) == (PRACTICES + 1, lead["id"])
    assert [one["lead_id"] for one in again].count(None) == 1
    assert len(desk.pages) == 3, "closed while it lasts, it is the same group and pages once"
    assert {one["fault"] for one in again} == {"theirs"}


async def test_a_key_refused_alone_stays_its_practices_own(desk: Desk) -> None:
    """Two are two incidents; with a third in time they are one, and who took the first has it. One
    that was refused an hour before stands by itself."""
    await refuse_keys(desk.bench, 1)
    await desk.tick()
    await desk.bench.advance(timedelta(hours=1))
    await refuse_keys(desk.bench, 2, start=1)
    await desk.tick()
    earlier, first, second = await incidents(desk)
    assert {one["lead_id"] for one in (earlier, first, second)} == {None}
    assert {one["fault"] for one in (earlier, first, second)} == {"ours"}
    async with desk.bench.database.as_oncall() as connection:
        assert await acknowledge(connection, first["id"], "noor")
    desk.pages.clear()
    await refuse_keys(desk.bench, 1, start=3)
    await desk.tick(MINUTE)
    by_id = {one["id"]: one for one in await incidents(desk)}
    assert (by_id[earlier["id"]]["cause"], by_id[earlier["id"]]["fault"]) == (None, "ours")
    assert {one["fault"] for one in by_id.values() if one["cause"]} == {"theirs"}
    assert (await desk.told(first["id"]))[-2:] == ["acknowledged", "fault_changed"]
    led = [one for one in by_id.values() if one["lead_id"] == first["id"]]
    assert len(led) == 2 and {one["acknowledged_by"] for one in led} == {"noor"}
    assert not [text for _target, text in desk.pages if "page 2" not in text]


async def test_keys_entered_anew_at_many_practices_are_not_the_providers(desk: Desk) -> None:
    """One mistake, entered at four practices within a minute: each is ours, and what was entered is
    to be looked at. Once three others are refused as well, all seven are one cause."""
    await refuse_keys(desk.bench, 4)
    await desk.bench.admin.execute(
        "update credential set rotated_at = app.now() - interval '1 min'"
        " where id in (select credential_id from attempt)"
    )
    await desk.tick()
    found = await incidents(desk)
    assert [(one["fault"], one["cause"]) for one in found] == 4 * [("ours", None)]
    assert all("entered_at" in one["facts"] and "met" not in one["facts"] for one in found)
    assert "Ours: nothing went well since a new secret was entered" in desk.pages[0][1]
    await refuse_keys(desk.bench, 3, start=4)
    await desk.tick(timedelta(seconds=6))
    found = await incidents(desk)
    assert [one["fault"] for one in found] == 7 * ["theirs"]
    assert len({one["cause"] for one in found}) == 1
    assert not [one for one in found if "entered_at" in one["facts"]]


async def test_keys_refused_again_after_all_was_over_wake_somebody(desk: Desk) -> None:
    """A group that looks recovered takes nobody in: the key that is refused then pages."""
    await refuse_keys(desk.bench, 3)
    await desk.tick()
    await desk.bench.admin.execute("update incident set recovered_at = app.now()")
    await desk.bench.admin.execute(
        "update attempt set state = 'succeeded', case_id = null, fault = null"
    )
    desk.pages.clear()
    await refuse_keys(desk.bench, 1, start=3)
    await desk.tick(timedelta(minutes=10))
    assert [one["cause"] is None for one in await incidents(desk)] == [False, True, False, False]
    assert len([text for _target, text in desk.pages if "CRITICAL toy: bad_key" in text]) == 3


async def test_what_turns_out_to_be_ours_stands_by_itself(desk: Desk) -> None:
    """The leader's last three tries are refused for our own mistake, one of them before that is
    not enough: it bears the new cause, is nobody's, and pages; the next leads, in the same hands.
    A member of a group that turns leaves it as well."""
    practices = await storm(desk.bench, 3)
    await desk.tick()
    lead, *_members = await incidents(desk)
    async with desk.bench.database.as_oncall() as connection:
        assert await acknowledge(connection, lead["id"], "noor")
    await _ours(desk, lead, 2)
    assert {one["fault"] for one in await incidents(desk)} == {"theirs"}
    await _ours(desk, lead, 3)
    turned, heir, member = sorted(
        await incidents(desk), key=lambda one: (one["fault"], one["lead_id"] is not None)
    )
    assert (turned["id"], turned["case_id"], turned["status"]) == (
        lead["id"],
        "toy.too_fast",
        "open",
    )
    assert turned["next_escalation_at"] is not None
    assert (heir["lead_id"], heir["acknowledged_by"], member["lead_id"]) == (
        None, "noor", heir["id"],
    )  # fmt: skip
    assert len(desk.pages) == 2
    await _ours(desk, member, 3)
    assert len(desk.pages) == 3
    [alone] = [one for one in await incidents(desk) if one["id"] == member["id"]]
    assert (alone["lead_id"], alone["status"], alone["fault"]) == (None, "open", "ours")
    assert alone["resolve_within_s"] == turned["resolve_within_s"]
    await desk.tick(timedelta(seconds=6))
    for one in (turned, member):
        assert (await desk.told(one["id"])).count("cause_changed") == 1
    assert len(practices) == len(await incidents(desk))


async def _ours(desk: Desk, incident: dict[str, Any], latest: int) -> None:
    """So many of its credential's last tries met a refusal of ours; then the rules look."""
    await desk.bench.admin.execute(
        "update attempt set fault = 'ours', case_id = 'toy.too_fast', finished_at = app.now()"
        " where id in (select id from attempt where credential_id = $1 order by id limit $2)",
        incident["credential_id"],
        latest,
    )
    await desk.tick(timedelta(seconds=6))


async def test_an_archived_incident_returns_when_it_gets_worse(desk: Desk) -> None:
    """Out of sight, it pages nobody; with twice the people it is open again, and pages."""
    await desk.fail(503, 5)
    await desk.tick()
    incident = await desk.incident()
    async with desk.bench.database.as_oncall() as connection:
        assert await archive(connection, incident["id"], "noor")
        assert not await archive(connection, incident["id"], "noor")
    await desk.tick(31 * MINUTE)
    assert len(desk.pages) == 1
    await _more_fail(desk, 4)
    assert (await desk.incident())["archived_at"] is not None
    await _more_fail(desk, 2)
    incident = await desk.incident()
    assert (incident["archived_at"], incident["status"]) == (None, "open")
    assert len(desk.pages) == 2
    told = await desk.told(incident["id"])
    assert [kind for kind in told if kind.startswith(("arch", "got"))] == ["archived", "got_worse"]


async def _more_fail(desk: Desk, people: int) -> None:
    """So many others meet the same answer, whatever the breaker would say."""
    await desk.bench.admin.execute(
        "update credential_state set breaker = 'closed', recent = '', open_until = null"
    )
    desk.bench.server.script.extend([Reply(http=503)] * 20)
    for _ in range(people):
        await desk.bench.deliver(to=f"{uuid4()}@clients.example")
    await desk.bench.turn()
    desk.bench.server.script.clear()
    await desk.tick()
