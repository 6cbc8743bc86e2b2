"""What a card of the fleet says: as the doctor judges, as loud as it is grave, and never of calm
while nothing is sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from mentalspace.console.chart import draw
from mentalspace.console.fleet import _while_silent
from mentalspace.console.queries.card_state import WORKS, Told, states_of
from mentalspace.console.queries.fleet import Calm, Card, Fleet, Outcomes
from mentalspace.console.queries.lately import Change, grouped
from mentalspace.console.queries.processes import Process
from mentalspace.console.words import State
from mentalspace.engine.credential_check import Checked
from mentalspace.engine.heard import Heard
from mentalspace.engine.runbook import load_runbooks
from mentalspace.integrations import discover_rooms
from mentalspace.workflows.doctor.lately import Lately, judge_lately
from mentalspace.workflows.doctor.touched import Touched
from mentalspace.workflows.doctor.verdict import judge

ID = UUID(int=1)
WELL = {
    "id": ID, "override_state": None, "override_reason": None, "breaker": "closed", "recent": "SS",
    "went_over": 0, "incident_title": None, "incident_severity": None, "incident_recovered": False,
    "incident_recovering_since": None, "last_good_at": datetime(2026, 11, 28, tzinfo=UTC),
}  # fmt: skip


def said(told: Told | None = None, **more: Any) -> list[str]:
    return [state.word for state in states_of({**WELL, **more}, (), None, told or Told())]


def test_no_card_works_and_no_crowd_is_calm_while_every_worker_is_silent() -> None:
    card = Card({}, WORKS, (), None, 0, Touched(), Outcomes(), draw([]))
    cards = [card, replace(card, state=State("Paused", "bad", ""))]
    fleet = Fleet(cards, [Calm("sms", 300, 300, Outcomes(), None)], ())
    silent = Process("a", "worker", "h", 1, 900, 90, State("Silent for 90 s", "bad", ""), ())
    alive = replace(silent, name="b", state=State("Alive", "ok", ""))
    ended = replace(alive, name="c", state=State("Ended", "idle", ""))
    shown = _while_silent(fleet, [ended, silent])
    assert [c.state.word for c in shown.cards] == ["Worker silent", "Paused"]
    assert [group.well for group in shown.calm] == [False]
    assert _while_silent(fleet, [silent, alive]) is fleet
    assert _while_silent(fleet, []) is fleet


def test_a_card_is_as_loud_as_its_incident_is_grave() -> None:
    """Who wants no more texts is a matter for the day; a real fault beside it comes first."""
    opt_outs: dict[str, Any] = {
        "incident_title": "Opt-out rate over 5%",
        "incident_severity": "medium",
    }
    [state] = states_of({**WELL, **opt_outs}, (), None, Told())
    assert (state.word, state.tone) == ("For the day", "info")
    assert said(**opt_outs, recent="SFF") == ["Failing", "For the day"]
    assert said(incident_title="Out", incident_severity="critical") == ["Incident open"]
    since = datetime(2026, 11, 28, 3, 2, tzinfo=UTC)
    mends: dict[str, Any] = {"incident_title": "Out", "incident_severity": "critical"}
    assert said(**mends, incident_recovering_since=since) == ["Recovering"]
    assert said() == ["Working"]


def test_what_is_over_says_from_when_to_when_it_lasted() -> None:
    """Nothing old looks fresh."""
    over = {
        "incident_title": "Out", "incident_severity": "high", "incident_recovered": True,
        "incident_since": datetime(2026, 11, 28, 2, 10, tzinfo=UTC),
        "incident_over_since": datetime(2026, 11, 28, 3, 12, tzinfo=UTC),
    }  # fmt: skip
    [state] = states_of({**WELL, **over}, (), None, Told())
    assert (state.word, state.tone) == ("Recovered", "info")
    assert state.meaning == "“Out” lasted from 02:10 to 03:12 UTC, and waits to be closed"


def test_one_good_answer_among_bad_ones_is_no_recovery() -> None:
    """Our own questions: a refusal counts at once, silence at the second, and what flips stays. Of
    a refusal it is said who found it, whatever was answered before."""
    at = datetime(2026, 11, 28, 22, 21, tzinfo=UTC)
    checked = Checked(at, "storage.server_error", "theirs", "Supabase answered 503", "F")
    assert said(Told(checked={ID: checked})) == ["Working"]
    for recent in ("F", "SF", "SSSFF"):
        refused = replace(checked, fault="ours", recent=recent)
        [state] = states_of(WELL, (), None, Told(checked={ID: refused}))
        assert (state.word, state.meaning) == (
            "Key refused",
            "Supabase answered 503; found by our own check at 22:21 UTC",
        )
    assert said(Told(checked={ID: replace(checked, recent="FF")})) == ["No good answer"]
    flips = replace(checked, recent="FSFFS")
    [state] = states_of(WELL, (), None, Told(checked={ID: flips}))
    assert (state.word, state.tone) == ("Answers in part", "warn")
    assert state.meaning == "Supabase answered 503; so ended 3 of our own last 5 checks"
    assert said(Told(checked={ID: replace(checked, recent="FSSSSS")})) == ["Working"]


def test_a_pause_says_whose_it_is() -> None:
    """What a person stopped has no cause that goes by itself."""
    by_hand = {"paused_by": "Noor Haddad", "paused_case": None}
    [state] = states_of(WELL, [by_hand], None, Told())
    assert (state.word, state.tone) == ("Paused", "bad")
    assert state.meaning.startswith("Noor Haddad paused it")
    runbook = {"paused_by": "runbook", "paused_case": "email.unauthorized"}
    [state] = states_of(WELL, [runbook], None, Told())
    assert "until the cause is gone" in state.meaning


def test_a_card_says_what_the_doctor_finds() -> None:
    """Refused and missing callbacks too; the worst first."""
    silent = Heard(True, None, 0, None, late=3, usual_s=4.6, quiet_s=360)
    [state] = states_of(WELL, (), None, Told(heard={ID: silent}))
    assert "no callback for 6 min; usually within 5 s" in state.meaning
    quiet = replace(silent, late=2)
    assert said(Told(heard={ID: quiet})) == ["Working"]
    assert said(Told(refusing={ID}, heard={ID: silent})) == ["Callbacks refused"]
    troubles = judge_lately(Lately(9, 0, 0, 0, 0, 4, 0, "sms.filtered"), "Twilio", _BOOKS)
    [word, also] = said(Told(troubles={ID: troubles}, heard={ID: silent}))
    assert (word, also) == ("Not arriving", "No callbacks")


_BOOKS = load_runbooks(list(discover_rooms().values()), None)
_AT = datetime(2026, 11, 28, 2, 11, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lately", "told"),
    [
        (Lately(20, 7, 7, 2, 0, 0, 0, None), "7 of 20 calls were not answered in the last 10 min"),
        (Lately(9, 9, 3, 0, 0, 0, 0, None), "9 of 9 calls failed at Twilio, 3 of them without"),
        (
            Lately(9, 9, 0, 0, 0, 0, 0, None, theirs_case="sms.rate_limited"),
            f"10 min: {_BOOKS.case('sms.rate_limited').title} (sms.rate_limited)",
        ),
        (
            Lately(9, 4, 0, 0, 0, 0, 0, None, failed_since=4, well_at=_AT),
            "; the others were answered",
        ),
        (
            Lately(27, 9, 9, 0, 0, 0, 0, None, failed_since=9, well_at=_AT),
            "; none of the 9 since 02:11:05 UTC went well",
        ),
        (
            Lately(9, 0, 0, 0, 0, 0, 0, None, slow_s=9.0, usual_s=0.4, quick_at=_AT),
            "Twilio takes 9.0 s to answer a call, usually 0.4 s; the last quick one ended at 02:11",
        ),
        (Lately(9, 0, 0, 0, 0, 0, 0, None, slow_s=4.0), None),  # it may always take so long
        (Lately(9, 0, 0, 0, 0, 0, 0, None, slow_s=4.0, usual_s=2.0), None),
        (Lately(9, 0, 0, 0, 1, 4, 0, "sms.filtered"), "4 of 5 messages that Twilio took did not"),
        (Lately(9, 1, 1, 2, 30, 1, 3, "sms.filtered"), None),  # one of each may be anything
        (Lately(300, 5, 5, 2, 0, 0, 0, None), None),  # as on the best of days
        (Lately(30, 7, 7, 10, 40, 20, 10, "sms.filtered"), None),  # it is over
    ],
)
def test_a_part_that_fails_is_said_until_it_is_over(lately: Lately, told: str | None) -> None:
    found = judge_lately(lately, "Twilio", _BOOKS)
    assert [told in trouble.text for trouble in found if told] == ([True] if told else [])
    assert bool(found) is bool(told)


def test_a_part_that_is_ours_stands_beside_what_is_theirs() -> None:
    """From three on, and a tenth: with what to do about it; the verdict is both's."""
    lately = Lately(20, 15, 0, 0, 0, 0, 0, None, failed_ours=3, ours_case="email.unauthorized",
                    theirs_case="email.server_error")  # fmt: skip
    whole, part = judge_lately(lately, "Resend", _BOOKS)
    assert (whole.whose, part.whose) == ("theirs", "ours")
    assert "; mostly theirs: " in whole.text and "(email.server_error)" in whole.text
    assert part.text.startswith("3 of the 15 calls that failed at Resend are ours: ")
    cure = part.cure_at("Mesa", "mesa")
    assert cure is not None and "Enter a key that Resend accepts" in cure
    seen = [Seen("resend/mesa", one.check, one.state, one.text, one.whose) for one in (whole, part)]
    verdict = judge(seen)
    assert verdict.word == "OURS AND THEIRS" and verdict.more == 0
    assert f"Ours as well: {part.text}" in verdict.text
    [alone] = judge_lately(replace(lately, failed_ours=2), "Resend", _BOOKS)
    assert "mostly" not in alone.text
    assert len(judge_lately(replace(lately, tried=90, failed=40), "Resend", _BOOKS)) == 1


@dataclass(frozen=True)
class Seen:
    subject: str
    check: str
    state: Any
    text: str
    whose: Any


def test_both_screens_call_the_same_well() -> None:
    """What is to be looked at is not called well by either, though nothing fails."""
    good = Seen("email", "agreement", "good", "one holds", None)
    warns = Seen("email", "last callback", "warning", "silent", None)
    assert judge([good]).word == "WELL"
    uneasy = judge([good, warns])
    assert uneasy.is_uneasy and uneasy.word == "NOT QUITE WELL"


def test_what_somebody_did_often_is_one_line() -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    rules = [Change(now - timedelta(minutes=n), "reminders.changed") for n in range(20)]
    silence = Change(now - timedelta(minutes=3), "Silenced a rule", "Noor")
    assert [(c.what, c.count, c.at) for c in grouped([silence, *rules])] == [
        ("reminders.changed", 20, now),
        ("Silenced a rule", 1, silence.at),
    ]
