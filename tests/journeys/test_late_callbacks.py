"""Callbacks come late, or not at all: the provider is asked, and the incident says which."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from mentalspace.engine.heard import Heard, read_heard
from mentalspace.engine.taken import Taken, read_taken
from tests.house import House, until
from tests.journeys.test_text_journey import telephones
from tests.journeys.test_text_outcomes import text

PEOPLE = [f"+120255501{n:02d}" for n in range(40, 44)]
MINUTE = timedelta(minutes=1)
INCIDENT = "select facts ->> 'seen' from incident where rule_id = 'sms.callbacks_stop'"

ASKED = f"select 1 from callback_question where answer is not null having count(*) = {len(PEOPLE)}"


async def read(house: House, sql: str) -> list[Any]:
    async with house.services.database.as_oncall() as connection:
        return [row[0] for row in await connection.fetch(sql)]


async def texted(house: House, **fault: object) -> None:
    """One text is called back about in time; those after it meet the fault."""
    await text(house, "+12025550199")
    await until(lambda: read(house, "select 1 from delivery where status = 'delivered'"))
    if fault:
        await house.sandbox("POST", "/faults", {"room": "sms", "provider": "twilio", **fault})
    for person in PEOPLE:
        await text(house, person)
    await until(lambda: counted(house, "status in ('accepted', 'delivered')", len(PEOPLE) + 1))
    await house.advance(3 * MINUTE)
    await until(lambda: read(house, ASKED))


async def counted(house: House, where: str, number: int) -> bool:
    return await read(house, f"select count(*) from delivery d where {where}") == [number]


async def told(house: House, kind: str | None) -> Heard | None:
    async with house.services.database.as_oncall() as connection:
        heard = await read_heard(connection, house.services.rooms)
        id_ = await connection.fetchval("select credential_id from delivery limit 1")
    said = heard[id_]
    return said if (said.called_back and said.called_back.kind) == kind else None


async def counted_once(house: House) -> Taken:
    """What became of the last hour's texts; each of them in one place."""
    async with house.services.database.as_oncall() as connection:
        cases = house.services.runbooks.recipient_cases
        id_ = await connection.fetchval("select credential_id from delivery limit 1")
        taken = (await read_taken(connection, [id_], cases, [id_]))[id_]
        assert taken.number == await connection.fetchval("select count(*) from delivery")
    return taken


async def alarmed(house: House) -> Any:
    """What the incident saw, once the rule has looked, and looked again."""
    await house.advance(MINUTE)
    await until(lambda: read(house, "select 1 from alert_state where state = 'pending'"))
    await house.advance(3 * MINUTE)
    return await until(lambda: read(house, INCIDENT))


async def test_late_callbacks_are_told_from_missing_ones(house: House) -> None:
    """Seven minutes late: the answers are taken meanwhile, nothing is moved twice, and the incident
    says that nothing is lost; it is over once they are heard of in time again."""
    await texted(house, kind="hook_delay", latency_s=420)
    assert await counted(house, "status = 'delivered'", len(PEOPLE) + 1)
    taken = await counted_once(house)
    assert (taken.heard, taken.by_asking, taken.quiet) == (len(PEOPLE) + 1, len(PEOPLE), 0)
    await house.advance(5 * MINUTE)
    heard = await until(lambda: told(house, "late"))
    assert heard.is_suspicious
    assert heard.called_back is not None and "late, not lost" in heard.called_back.words
    assert heard.word in ("Callbacks late by 7 min", "Callbacks late by 8 min")
    [seen] = await alarmed(house)
    assert seen.startswith("callbacks are late, not lost")
    moved = "select count(*) from timeline where data ->> 'moved_to' = 'delivered'"
    assert await read(house, moved) == [len(PEOPLE) + 1]
    await house.sandbox("DELETE", "/faults")
    for n in range(3):
        await text(house, f"+120255501{60 + n}")
    await until(lambda: counted(house, "status = 'delivered'", len(PEOPLE) + 4))
    assert await told(house, None)


async def test_missing_callbacks_are_said_to_be_missing(house: House) -> None:
    """Twilio has done with them for long, and says nothing: what to check is said first."""
    await texted(house, kind="hook_drop")
    assert await counted(house, "status = 'delivered'", len(PEOPLE) + 1)
    assert await told(house, None)
    await house.advance(9 * MINUTE)
    heard = await until(lambda: told(house, "missing"))
    assert heard.word.startswith("Callbacks missing since ")
    await alarmed(house)
    [step] = await read(house, INCIDENT.replace("seen", "first_step"))
    assert step.startswith("Check the webhook’s address and secret")
    assert await read(house, "select count(*) from incident") == [1], "late texts are the same news"


async def test_some_callbacks_that_are_lost_are_told_while_others_come(house: House) -> None:
    """Four of twelve: nobody goes without, for asking tells of them; a ticket says how many."""
    fault = {"kind": "hook_drop", "event": "message.delivered", "times": len(PEOPLE)}
    await house.sandbox("POST", "/faults", {"room": "sms", "provider": "twilio", **fault})
    for n in range(12):
        await text(house, f"+120255501{40 + n}")
    await until(lambda: counted(house, "status = 'delivered'", 12 - len(PEOPLE)))
    await house.advance(3 * MINUTE)
    await until(lambda: read(house, ASKED))
    assert await counted(house, "status = 'delivered'", 12)
    await house.advance(10 * MINUTE)
    rule = "rule_id = 'sms.callbacks_partly'"
    pending = f"select 1 from alert_state where {rule} and state = 'pending'"
    await until(lambda: read(house, pending))
    await house.advance(3 * MINUTE)
    seen = f"select facts ->> 'seen' from incident where {rule}"
    [told] = await until(lambda: read(house, seen))
    assert told.startswith("of 12 messages 4 were never called back about (33%)")
    assert await read(house, "select severity from incident") == ["low"], "no other alarm"


async def test_slow_texts_are_not_missing_callbacks(house: House) -> None:
    """Their carriers have not said a word, so Twilio has nothing to call back about."""
    await telephones(house, dict.fromkeys(PEOPLE, "silent"))
    await texted(house)
    assert await counted(house, "status = 'accepted'", len(PEOPLE))
    heard = await until(lambda: told(house, "slow"))
    assert "slow, not the callbacks" in heard.words
    taken = await counted_once(house)
    assert (taken.asked, taken.unasked, taken.by_asking) == (len(PEOPLE), 0, 0)


async def test_mails_are_late_by_their_own_dates(house: House) -> None:
    """Resend dates what it tells: nobody need be asked to see that it comes late."""
    fault = {"room": "email", "provider": "resend", "kind": "hook_delay", "latency_s": 420}
    await house.sandbox("POST", "/faults", fault)
    for n in range(3):
        await house.book(f"client{n}@demo.example", external_id=f"a-{n}")
    await until(lambda: counted(house, "status = 'accepted'", 3))
    # In two steps: the door learns of the hour a moment after the sandbox, and would refuse what is
    # signed for more than five minutes ahead.
    await house.advance(6 * MINUTE)
    await house.advance(2 * MINUTE)
    heard = await until(lambda: told(house, "late"))
    assert heard.called_back is not None and heard.called_back.late_s > 400
