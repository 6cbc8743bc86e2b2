"""What is recommended of an incident: one thing, from the runbook and the state of the lanes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from mentalspace.console.queries.refused import RefusedHooks
from mentalspace.console.recommend import Seen, button_first, recommend
from mentalspace.engine.alerts import first_step_of
from mentalspace.engine.former import Former
from mentalspace.engine.remedy import Preflight
from mentalspace.engine.runbook import Runbooks, load_runbooks
from mentalspace.engine.watch.look import Look
from mentalspace.integrations import discover_rooms
from mentalspace.kernel.case import Disposition, Fault

BOOKS: Runbooks = load_runbooks(list(discover_rooms().values()), None)
AT = datetime(2026, 11, 28, 18, 1, tzinfo=UTC)
PAUSE = Preflight("pause", "Pause the lanes", None, False, ("9 would wait.",), {}, True, True, True)
HOLD = replace(PAUSE, name="hold", title="Hold what is due")


def _seen(rule: str, case: str | None = None, **changes: Any) -> Seen:
    incident = {
        "status": "open",
        "recovered_at": None,
        "recovering_since": None,
        "integration": rule.partition(".")[0],
        "rule_id": rule,
        "fault": "ours",
        "breaker": "closed",
        "open_until": None,
        "practice_name": "Mesa",
        "endpoint": "mesa",
        "facts": {"first_step": "Check Twilio status"},
        "since": AT,
        "last_good_at": None,
        **changes,
    }
    return Seen(
        incident=MappingProxyType(incident),
        provider="Twilio",
        case=BOOKS.case(case) if case else None,
        rule=None if rule.startswith("house.") else BOOKS.alert(rule),
        group=None,
        buttons=[HOLD, PAUSE],
        refused=None,
        way_out=False,
        standstill=None,
        next_attempt_at=None,
    )


@pytest.mark.parametrize(
    ("case", "first"),
    [
        ("sms.malformed_request", "Twilio finds a mistake in our request; do as the runbook says"),
        ("sms.no_answer", BOOKS.alert("sms.budget_burns").action),
    ],
)
def test_what_a_page_says_first_is_of_the_case_where_that_is_ours(case: str, first: str) -> None:
    look, rule = Look(0.5, True, "4 of 8", case_id=case), BOOKS.room_and_alert("sms.budget_burns")
    assert first_step_of(BOOKS, *rule, look, "twilio").startswith(first)


def test_what_is_ours_says_what_to_do_now() -> None:
    """A share or a row of failures may name any of them."""
    silent = [
        case.id
        for case in BOOKS.cases
        if case.fault is Fault.OURS and case.disposition in _ENDS and case.now is None
    ]
    assert silent == []


_ENDS = (Disposition.REFUSE, Disposition.WAIT)
_OUT = {"fault": "theirs", "breaker": "open", "open_until": AT}


@pytest.mark.parametrize(
    ("seen", "said", "press"),
    [
        (
            _seen("sms.budget_burns", "sms.no_answer", **_OUT),
            "Nothing needs doing at the lanes: Twilio is tried again by itself, and what waits goes"
            " once it answers. Acknowledge; post the text below.",
            "acknowledge",
        ),
        (
            _seen("sms.credential_refused", "sms.unauthorized"),
            "The lane resumes by itself",
            "secret",
        ),
        (_seen("sms.credential_refused", "sms.account_suspended"), "Change no key", None),
        (
            _seen(
                "sms.consecutive_failures",
                "sms.unreachable",
                **{**_OUT, "fault": "ours", "facts": {"entered_at": AT.isoformat()}},
            ),
            "Enter both again as Twilio shows them; what waits goes then.",
            "secret",
        ),
        (_seen("sms.texts_filtered", "sms.filtered"), "Pause the lanes of Mesa until", "pause"),
        (_seen("sms.budget_burns", "sms.filtered"), "Pause the lanes of Mesa until", "pause"),
        (_seen("house.loop_silent"), "`mentalspace restart worker`", None),
        (_seen("sms.texts_filtered", recovered_at=AT), "then resolve it", "resolve"),
        (_seen("sms.delivery_rate_low"), "Check Twilio status.", None),
        (
            _seen("sms.refused_here", "sms.test_mode", test_only=True),
            "Unless it is meant, switch test mode off.",
            "test_mode_off",
        ),
        (
            _seen("sms.refused_here", "sms.test_mode", test_only=False),
            "Test mode is not switched on: what was entered, a key or a sender, is for tests",
            None,
        ),
    ],
)
def test_one_thing_is_recommended(seen: Seen, said: str, press: str | None) -> None:
    advised = recommend(seen)
    assert advised is not None
    assert said in advised.says
    assert advised.press == press
    # When is told in the zone of whoever reads, and not here.
    assert "UTC" not in advised.says
    assert advised.next_try_at == (AT if "tried again" in said else None)


FORMER = Former(
    credential_id=UUID(int=1), practice_id=UUID(int=2), base_url="https://api.twilio.com",
    live=True, test_only=False, entered_at=AT - timedelta(days=90), entered_by="Noor",
    went_well=True, replaced_at=AT, forget_at=AT + timedelta(days=7), answered_at=AT, good=True,
)  # fmt: skip
_ENTERED = {"facts": {"entered_at": AT.isoformat()}}


@pytest.mark.parametrize(
    ("changes", "kept", "press"),
    [
        ({**_OUT, **_ENTERED}, {}, "bring_back"),
        (_ENTERED, {}, "bring_back"),
        (_OUT, {}, "bring_back"),
        ({**_OUT, **_ENTERED}, {"good": False}, "secret"),
        ({**_OUT, **_ENTERED}, {"good": None}, "secret"),
        ({**_OUT, **_ENTERED}, {"replaced_at": AT + timedelta(minutes=2)}, "acknowledge"),
        ({**_OUT, **_ENTERED, "last_good_at": AT + timedelta(minutes=2)}, {}, "acknowledge"),
        ({**_OUT, "since": AT + timedelta(hours=1)}, {}, "acknowledge"),
        ({**_OUT, "last_good_at": AT + timedelta(minutes=1)}, {}, "acknowledge"),
        ({**_OUT, "facts": {"practices": 3}}, {}, "acknowledge"),
        ({**_OUT, "facts": {"others_fail": 2}}, {}, "acknowledge"),
    ],
)
def test_the_former_secret_comes_before_a_new_one(
    changes: dict[str, Any], kept: dict[str, Any], press: str
) -> None:
    """What fails since another was entered, whichever rule saw it, if the former one is answered
    well; not what began later, nor what was brought back already."""
    seen = _seen("sms.consecutive_failures", "sms.unreachable", **changes)
    advised = recommend(replace(seen, former=replace(FORMER, **kept)))
    assert advised is not None
    assert advised.press == press


def test_refused_callbacks_want_the_secret_that_signs() -> None:
    """And not a new key; one that only fell silent wants no secret at all."""
    seen = _seen("email.callbacks_stop")
    silent = recommend(seen)
    assert silent is not None
    assert silent.press is None
    hooks = RefusedHooks(9, "", True, AT, AT, ["RESEND_WEBHOOK_SECRET"], 3, 2, AT, 3, AT)
    refused = recommend(replace(seen, refused=hooks))
    assert refused is not None
    assert refused.press == "secret"
    assert "`RESEND_WEBHOOK_SECRET`" in refused.says
    assert "leave any other key as it is" in refused.says


def test_what_is_done_is_not_asked_for_again() -> None:
    """The recommended button stands first while it can be pressed; nothing is advised of what is
    closed."""
    seen = _seen("sms.texts_filtered", "sms.filtered")
    first, *_rest = button_first(seen.buttons, recommend(seen))
    assert first.name == "pause"
    done = replace(PAUSE, refusal="The lanes are paused already, by Ada.", already=True)
    advised = recommend(replace(seen, buttons=[done]))
    assert advised is not None
    assert advised.press is None
    assert advised.says.startswith("The lanes are paused already, by Ada.")
    assert recommend(_seen("sms.texts_filtered", status="resolved")) is None
