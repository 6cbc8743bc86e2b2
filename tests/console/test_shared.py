"""An incident's page says what the failing ones share, and what was changed just before."""

from __future__ import annotations

import re
from html import unescape
from uuid import UUID

import pytest

from mentalspace.console.queries import shared as queries
from tests.console.stage import Stage
from tests.console.test_doors import NAMES, visitor
from tests.console.test_group import _struck

_CASE = "email.unauthorized"
# So many mails of a practice, tried once, one a second from a minute after the incident began.
_TRIED = """
with given as (
  select d.practice_id, d.lane_id, d.credential_id, d.integration, d.id as like_id, n
    from (select * from delivery where practice_id = $1 and integration = 'email'
           order by created_at limit 1) d cross join generate_series(1, $2::int) n
), mails as (
  insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
    idempotency_key, due_at, next_attempt_at, traceparent)
  select practice_id, lane_id, credential_id, integration, $4, gen_random_uuid()::text,
         gen_random_uuid()::text, app.now(), app.now() + interval '1 day', '00-0-0-00' from given
  returning *
), numbered as (select *, row_number() over (order by id) as n from mails
), tries as (
  insert into attempt (practice_id, lane_id, credential_id, integration, state, idempotency_key,
    worker, deadline_s, started_at, finished_at, duration_ms, traceparent, case_id, fault)
  select practice_id, lane_id, credential_id, integration,
         case when $3::text is null then 'succeeded' else 'failed' end, idempotency_key, $5, 10,
         began.at, began.at, 240, '00-0-0-00', $3,
         case when $3::text is not null then 'ours' end
    from numbered cross join lateral (
      select since + interval '1 s' * (60 + n + $6::float8) as at from incident where id = $7) began
  returning id, practice_id, idempotency_key
)
insert into attempt_delivery (attempt_id, delivery_id, practice_id)
select t.id, m.id, t.practice_id from tries t join mails m using (idempotency_key)
"""
_WORKER = "worker:host-a:4711:aa"
_OTHER = "worker:host-b:52:bb"


async def _tried(
    stage: Stage, number: int, *, practice: UUID | None = None, case: str | None = None,
    kind: str = "receipt", worker: str = _WORKER, later_s: float = 0,
) -> None:  # fmt: skip
    await stage.owner.execute(
        _TRIED, practice or stage.mesa, number, case, kind, worker, later_s, stage.incident
    )


async def _alone(stage: Stage, since: str = "5 min") -> None:
    """Nothing failed yet: what the stage itself wrote is out of the window."""
    await stage.owner.execute(
        "update attempt set finished_at = finished_at - interval '3 days',"
        " started_at = started_at - interval '3 days'"
    )
    await stage.owner.execute(
        "update incident set since = app.now() - $1::text::interval where id = $2",
        since, stage.incident,
    )  # fmt: skip


async def _block(stage: Stage, who: str = "oncall", incident: UUID | None = None) -> str:
    """The block as words, without tags."""
    path = f"/incidents/{incident or stage.incident}"
    async with visitor(stage, who) as http, http.get(path) as answer:
        text = await answer.text()
        assert answer.status == 200
    assert who != "oncall" or not [name for name in NAMES if name in text]
    found = re.search(r'<section class="card" aria-labelledby="shared".*?</section>', text, re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", found[0]))) if found else ""


async def test_a_kind_that_alone_fails_is_named(stage: Stage) -> None:
    """Reminders fail and receipts go through, amid which two reminders did."""
    await _alone(stage)
    await _tried(stage, 14, case=_CASE, kind="reminder")
    await _tried(stage, 2, kind="reminder", later_s=0.5)
    for at in (0.2, 0.4, 0.6):
        await _tried(stage, 13, kind="receipt", later_s=at)
    said = await _block(stage)
    assert (
        "All 14 that failed are of the kind “Reminder”; of 41 that went through meanwhile, 2."
    ) in said
    assert "the same for all: practice, provider, lane, worker, host" in said


async def test_the_worker_that_alone_fails_is_named_with_its_start(stage: Stage) -> None:
    """Everything of another worker goes through; its beginning stands among the changes."""
    await _alone(stage)
    await stage.owner.execute(
        "insert into heartbeat (process, kind, host, pid, started_at) values"
        " ('worker:b', 'worker', 'host-b', 52, clock_timestamp() - interval '10 min')"
    )
    await _tried(stage, 20, case=_CASE, worker=_OTHER)
    await _tried(stage, 19, worker=_WORKER, later_s=0.5)
    said = await _block(stage)
    assert "All 20 that failed were sent by worker 52 on host-b; of 19" in said
    assert "worker 52 began on host-b" in said


async def test_what_fails_at_random_shares_nothing(stage: Stage) -> None:
    """Of two kinds and two workers one in two fails."""
    await _alone(stage)
    for kind in ("reminder", "receipt"):
        for worker in (_WORKER, _OTHER):
            await _tried(stage, 10, case=_CASE, kind=kind, worker=worker)
            await _tried(stage, 9, kind=kind, worker=worker, later_s=0.5)
    said = await _block(stage)
    assert "Nothing: they fail alike by kind of message, worker and host." in said
    assert "40 that failed beside 36 that went through meanwhile" in said


async def test_few_are_said_to_be_too_few(stage: Stage) -> None:
    """Of three that failed nothing is told, and a message that fails ten times is one."""
    await _alone(stage)
    await _tried(stage, 3, case=_CASE, kind="reminder")
    await _tried(stage, 2, later_s=0.5)
    said = await _block(stage)
    assert "Too few to tell: 3 failed, 2 went through meanwhile." in said
    await stage.owner.execute(
        "with again as (insert into attempt (practice_id, lane_id, credential_id, integration,"
        "   state, idempotency_key, worker, deadline_s, started_at, finished_at, traceparent,"
        "   case_id, fault)"
        " select practice_id, lane_id, credential_id, integration, state, idempotency_key || n,"
        "   worker, 10, started_at, finished_at, traceparent, case_id, fault"
        "   from attempt cross join generate_series(1, 9) n"
        "  where finished_at > app.now() - interval '1 min' and state = 'failed'"
        " returning id, practice_id, idempotency_key)"
        " insert into attempt_delivery (attempt_id, delivery_id, practice_id)"
        " select a.id, d.id, a.practice_id from again a join delivery d"
        "   on a.idempotency_key like d.idempotency_key || '_'"
    )
    assert "Too few to tell: 3 failed, 2 went through meanwhile." in await _block(stage)


async def test_what_failed_by_another_case_is_neither(stage: Stage) -> None:
    """A full mailbox among those that failed is not one of this incident's, and no good one; where
    nothing failed by its case there is no block."""
    await _alone(stage)
    await _tried(stage, 20, case="email.server_error")
    await _tried(stage, 20, case=None, later_s=0.5)
    assert await _block(stage) == ""
    await _tried(stage, 20, case=_CASE)
    assert "20 that failed beside 19 that went through" in await _block(stage)


async def test_what_is_nobodys_fault_counts_too(stage: Stage) -> None:
    """A case that is neither side's is compared like any; of what is only late nothing is said."""
    await _alone(stage)
    await _tried(stage, 20, case=_CASE, worker=_OTHER)
    await _tried(stage, 19, later_s=0.5)
    await stage.owner.execute("update attempt set fault = 'unclear' where fault = 'ours'")
    assert "All 20 that failed were sent by worker 52 on host-b; of 19" in await _block(stage)
    await stage.owner.execute("update incident set rule_id = 'email.sends_are_slow'")
    assert await _block(stage) == ""


async def test_changes_before_the_first_of_them_stand_beside(stage: Stage) -> None:
    """A new secret of the credential half an hour before, though the practice's others got theirs
    at the same moment; another practice's is no part of it, nor one entered since."""
    await _alone(stage)
    await _tried(stage, 20, case=_CASE)
    assert "nothing was changed there: no secret" in await _block(stage)
    move = (
        "update credential set rotated_at = app.now() - $2::text::interval where practice_id = $1"
    )
    await stage.owner.execute(move, stage.lakeside, "30 min")
    assert "nothing was changed there: no secret" in await _block(stage)
    await stage.owner.execute(move, stage.mesa, "1 s")
    assert "nothing was changed there: no secret" in await _block(stage)
    await stage.owner.execute(move, stage.mesa, "30 min")
    said = await _block(stage)
    assert "Changed there in the two hours before" in said and "New secret entered" in said
    well = (
        "update credential_state set last_good_at = app.now() - $2::text::interval"
        " where credential_id = (select credential_id from incident where id = $1)"
    )
    await stage.owner.execute(well, stage.incident, "31 min")
    assert "hardly the cause" not in await _block(stage)
    await stage.owner.execute(well, stage.incident, "20 min")
    assert "Calls went well after it" in await _block(stage)


async def test_of_a_group_the_practice_may_be_what_they_share(stage: Stage) -> None:
    """On-call sees one practice stand out of two; an administrator sees the own practice alone."""
    lead, member = await _struck(stage, stage.mesa), await _struck(stage, stage.lakeside)
    await _alone(stage)
    await stage.owner.execute("update incident set since = app.now() - interval '5 min'")
    await _tried(stage, 30, practice=stage.lakeside, case="email.server_error")
    await _tried(stage, 3, practice=stage.mesa, case="email.server_error")
    await _tried(stage, 29, practice=stage.mesa, later_s=0.5)
    name = await stage.owner.fetchval("select name from practice where id = $1", stage.lakeside)
    assert f"30 of the 33 that failed are of {name}; of 29" in await _block(stage, incident=lead)
    own = await _block(stage, "admin", member)
    assert "All 30 failed that were tried meanwhile." in own
    async with visitor(stage, "admin") as http, http.get(f"/incidents/{lead}") as answer:
        assert answer.status == 404


async def test_whatever_takes_too_long_is_left_out(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is there, says so, and its other parts are read all the same."""
    await _alone(stage)
    await _tried(stage, 20, case=_CASE)
    monkeypatch.setattr(queries, "_WITHIN_MS", 50)
    monkeypatch.setattr(queries, "_FAILED", _slow(queries._FAILED))
    assert "It could not be counted in time." in await _block(stage)


def _slow(query: str) -> str:
    return query.replace("\nselect ", "\nselect pg_sleep(1), ", 1)


async def test_the_post_mortem_says_it_too(stage: Stage) -> None:
    """Under its own heading, with what was compared."""
    await _alone(stage)
    await _tried(stage, 20, case=_CASE, worker=_OTHER)
    await _tried(stage, 19, worker=_WORKER, later_s=0.5)
    path = f"/incidents/{stage.incident}/post-mortem.md"
    async with visitor(stage, "oncall") as http, http.get(path) as answer:
        text = await answer.text()
    part = text.partition("What the failing ones share")[2].partition("Clocks")[0]
    assert "All 20 that failed were sent by worker 52 on host-b" in part
    assert "Compared: 20 that failed beside 19" in part
