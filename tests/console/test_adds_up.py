"""Card, incident and doctor count one and the same messages of the last hour, and they add up:
whether callbacks are late, missing, or missing in part."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Browser

from mentalspace.cli.doctor import screen
from mentalspace.engine.called_back import CalledBack, Kind
from mentalspace.engine.taken import Taken
from mentalspace.workflows.doctor import examine
from tests.console.stage import Stage
from tests.console.test_doors import visitor
from tests.console.test_pages import signed_in

_WHOLE = re.compile(
    r"(?P<taken>\d+) taken in the last hour: (?P<delivered>\d+) delivered"
    r"(?:, (?P<lost>\d+) not brought(?: \((?P<recipient>\d+) by the recipient’s fault\))?)?"
    r"(?:, (?P<quiet>\d+) not heard of yet)?"
    r"(?:\. Of the (?P<heard>\d+) heard of, (?P<told>\d+) without a question of ours and"
    r" (?P<asking>\d+) because we asked)?"
    r"(?:\. Of the (?P<quiet_again>\d+) not heard of, (?P<young>\d+) not yet 2 min old and"
    r" (?P<overdue>\d+) overdue: (?P<asked>\d+) asked after without an end so far,"
    r" (?P<unasked>\d+) not asked after yet)?"
    r"(?:\. (?P<before>\d+) taken before that hour (?:is|are) not heard of either)?"
)


def _adds_up(words: str) -> dict[str, int]:
    """Each number that is told, once all of them were seen to add up."""
    found = _WHOLE.search(words)
    assert found is not None, words
    n = {name: int(number or 0) for name, number in found.groupdict().items()}
    assert n["taken"] == n["delivered"] + n["lost"] + n["quiet"]
    if found["asking"]:
        assert n["heard"] == n["delivered"] + n["lost"] == n["told"] + n["asking"]
    if found["overdue"]:
        assert n["quiet_again"] == n["quiet"] == n["young"] + n["overdue"]
        assert n["overdue"] == n["asked"] + n["unasked"]
    return n


_FEW = st.integers(0, 50)


@given(st.builds(Taken, _FEW, _FEW, _FEW, st.just(0), _FEW, _FEW, _FEW, _FEW), st.data())
def test_whatever_was_counted_adds_up(taken: Taken, data: st.DataObject) -> None:
    asking = data.draw(st.integers(0, taken.heard))
    told = replace(taken, by_asking=asking)
    if told.number:
        n = _adds_up(told.words)
        assert (n["taken"], n["asking"], n["before"]) == (told.number, asking, told.before)
    else:
        assert told.words.startswith("Nothing was taken in the last hour")
    assert (told + told).number == 2 * told.number


@pytest.mark.parametrize("kind", ["late", "missing", "slow", "unasked"])
def test_what_callbacks_are_is_told_without_a_second_count(kind: Kind) -> None:
    """It is some of the messages of the hour, which are counted in one place."""
    since = datetime(2026, 11, 29, 3, 30, tzinfo=UTC)
    few, many = (CalledBack(kind, number, since, 420.0) for number in (3, 44))
    assert few.words == many.words


@dataclass(frozen=True, slots=True)
class Some:
    """So many messages, taken a while ago; how their end was heard of, if it was, and what a
    question of ours was answered."""

    number: int
    ago_s: int
    status: str = "accepted"
    heard: str | None = None
    answer: str | None = None


_LATE = (
    Some(5, 900, "delivered", "webhook"),
    Some(3, 400, "delivered", "asked", "ended"),
    Some(2, 300, answer="on_its_way"),
    Some(1, 280, answer="none"),
    Some(4, 240),
    Some(2, 20),
)
_MISSING = (
    Some(6, 1500, "delivered", "asked", "ended"),
    Some(2, 1400, "failed", "asked", "ended"),
    Some(3, 600),
    Some(2, 5400),
)
_IN_PART = (
    Some(4, 1500, "delivered", "webhook"),
    Some(1, 1500, "bounced", "webhook"),
    # Asked after in vain, and called back about then.
    Some(2, 1400, "delivered", "webhook", "on_its_way"),
    Some(3, 1300, "delivered", "asked", "ended"),
    Some(3, 950),
)
# The last callback so long ago, and by how much each of three was late.
_HEARD = {"late": (60, 420), "missing": (2400, 0), "in part": (1000, 0)}


@pytest.mark.database
@pytest.mark.parametrize(
    ("how", "messages", "said"),
    [
        ("late", _LATE, "Callbacks are late, not lost"),
        ("missing", _MISSING, "Callbacks are missing since"),
        ("in part", _IN_PART, "no callback for 17 min"),
    ],
)
async def test_one_hour_is_one_count(
    stage: Stage, how: str, messages: tuple[Some, ...], said: str
) -> None:
    credential_id = await _practice(stage)
    for some in messages:
        await _took(stage, credential_id, some)
    await _called_back(stage, credential_id, *_HEARD[how])
    # What was to be told before we lived is told late by our own fault.
    await stage.owner.execute("update heartbeat set started_at = app.now() - interval '1 day'")
    incident = await _incident(stage, credential_id)

    async def read(path: str) -> str:
        async with http.get(path) as answer:
            assert answer.status == 200
            return await answer.text()

    async with visitor(stage, "oncall") as http:
        fleet, page, doctor = [
            await read(path) for path in ("/", f"/incidents/{incident}", "/doctor/sms")
        ]
    [card] = [one for one in fleet.split("<article") if "Sums Practice, credential" in one]
    [report] = await examine(stage.services, "sms")
    screened = " ".join(screen(report).split())
    told = [_adds_up(each) for each in (card.split('class="counts"')[1], page, doctor, screened)]
    assert told == [told[0]] * 4
    assert said.lower() in card.lower()
    if how != "in part":
        assert said in page and said in doctor
    n, recent = told[0], [some for some in messages if some.ago_s < 3600]
    assert n["taken"] == sum(some.number for some in recent)
    assert n["delivered"] == sum(s.number for s in recent if s.status == "delivered")
    assert n["asking"] == sum(s.number for s in recent if s.heard == "asked")
    assert n["quiet"] == sum(s.number for s in recent if s.status == "accepted")
    assert n["asked"] == sum(s.number for s in recent if s.status == "accepted" and s.answer)
    assert n["before"] == sum(s.number for s in messages if s.ago_s >= 3600)
    assert f"<b>{n['delivered']}</b> delivered" in card
    assert f"<b>{n['quiet']}</b> taken, not heard of yet" in card
    failed = re.search(r"<b>(\d+)</b> failed", card)
    recipient = re.search(r"<b>(\d+)</b> recipient’s fault", card)
    assert failed and recipient
    assert int(failed[1]) + int(recipient[1]) == n["lost"], "nothing else was tried"


@pytest.mark.browser
@pytest.mark.database
async def test_a_badge_stays_within_its_card(browser: Browser, stage: Stage) -> None:
    """However narrow: what it says of callbacks is long."""
    credential_id = await _practice(stage)
    await _called_back(stage, credential_id, *_HEARD["late"])
    await stage.owner.execute("update heartbeat set started_at = app.now() - interval '1 day'")
    async with signed_in(browser, stage, "oncall", width=390) as page:
        await page.goto(stage.url)
        card = page.locator("article", has_text="Sums Practice, credential")
        badge = card.locator("dd .badge", has_text="Callbacks late by 7 min")
        inner, outer = await badge.bounding_box(), await card.bounding_box()
        assert inner is not None and outer is not None
        assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]


async def _practice(stage: Stage) -> UUID:
    secrets = {
        "account_sid": f"AC{'0' * 32}",
        "auth_token": "0" * 32,
        "phone_number": "+12025550100",
    }
    practice_id = await stage.owner.fetchval(
        "insert into practice (slug, name, timezone) values ('sums', 'Sums Practice', 'UTC')"
        " returning id"
    )
    id_: UUID = await stage.owner.fetchval(
        "insert into credential (practice_id, integration, provider, endpoint, base_url, live,"
        " secrets, rate_per_s) values ($1, 'sms', 'twilio', 'sums', 'http://127.0.0.1:1', false,"
        " $2, 1) returning id",
        practice_id,
        stage.services.vault.seal(practice_id, "credential", json.dumps(secrets).encode()),
    )
    for sql in (
        "insert into credential_state (credential_id, practice_id, last_good_at)"
        " values ($1, $2, app.now())",
        "insert into lane (practice_id, credential_id, integration, provider, class)"
        " values ($2, $1, 'sms', 'twilio', 'bulk')",
    ):
        await stage.owner.execute(sql, id_, practice_id)
    return id_


async def _took(stage: Stage, credential_id: UUID, some: Some) -> None:
    rows = await stage.owner.fetch(
        "insert into delivery (practice_id, lane_id, credential_id, integration, kind,"
        " recipient_key, idempotency_key, status, accepted_at, ended_at, ask_at, traceparent)"
        " select l.practice_id, l.id, l.credential_id, 'sms', 'reminder', 'r' || n,"
        "        gen_random_uuid()::text, $2, w.at, case when $2 <> 'accepted'"
        "        then w.at + interval '5 s' end, w.at + interval '15 min', '00-0-0-00'"
        "   from lane l cross join generate_series(1, $3) n"
        "  cross join (select app.now() - $4 * interval '1 s' as at) w"
        "  where l.credential_id = $1 returning id",
        credential_id,
        some.status,
        some.number,
        some.ago_s,
    )
    ids = [row["id"] for row in rows]
    if some.answer is not None:
        await stage.owner.execute(
            "insert into callback_question (delivery_id, practice_id, credential_id, asked_at,"
            " answer, ended_at) select id, practice_id, credential_id, accepted_at"
            " + interval '2 min', $2, ended_at from delivery where id = any ($1)",
            ids,
            some.answer,
        )
    if some.heard is not None:
        await stage.owner.execute(
            "insert into timeline (practice_id, delivery_id, kind, actor, at, data)"
            " select practice_id, id, 'provider_event', 'provider', ended_at,"
            " jsonb_build_object('heard', $2::text, 'moved_to', status) from delivery"
            " where id = any ($1)",
            ids,
            some.heard,
        )


async def _called_back(stage: Stage, credential_id: UUID, ago_s: int, late_s: int) -> None:
    await stage.owner.execute(
        "insert into inbox (practice_id, credential_id, integration, provider, external_id,"
        " payload, state, received_at, dated_at) select practice_id, id, 'sms', 'twilio',"
        " 'told-' || n, '', 'processed', w.at, w.at - $3 * interval '1 s' from credential"
        " cross join generate_series(1, 3) n"
        " cross join (select app.now() - $2 * interval '1 s' as at) w where id = $1",
        credential_id,
        ago_s,
        late_s,
    )


async def _incident(stage: Stage, credential_id: UUID) -> Any:
    return await stage.owner.fetchval(
        "insert into incident (key, rule_id, integration, credential_id, practice_id, severity,"
        " title, fault, since, ack_due_at, facts) select 'sums', 'sms.callbacks_stop', 'sms', id,"
        " practice_id, 'medium', 'Heard late', 'theirs', app.now() - interval '5 min', app.now(),"
        " '{}' from credential where id = $1 returning id",
        credential_id,
    )
