"""Silent callbacks: whose they are, what our own door did, and what else comes in by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mentalspace.engine.called_back import CalledBack
from mentalspace.engine.reach import Reach
from mentalspace.workflows.doctor.way_in import WayIn

HEARD = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
OPEN = Reach("ehr.example", None, http=405)
SILENT = WayIn("Twilio", HEARD, 0, None, None, OPEN, hears=True)


def test_a_door_that_answers_and_refused_nobody_is_not_the_cause() -> None:
    assert SILENT.whose == "theirs"
    assert SILENT.words == (
        "Theirs, it seems, or the way from them to us: Twilio does not call."
        " Our door has refused none of them for a day."
        " Asked just now through its public address (from here, not from outside),"
        " our door answers."
        " What clients text comes in by the same door, and none of it has been heard since"
        " 03:00:00 UTC: their answers and STOP are cut off as well. What was taken is asked after"
        " by us within a quarter of an hour: send nothing again, and pause nothing"
    )
    assert "STOP" not in replace(SILENT, hears=False).words


def test_what_our_door_refuses_is_ours_with_its_status_and_reason() -> None:
    last = HEARD + timedelta(minutes=4)
    refused = replace(SILENT, refused=7, code="signature", last_at=last)
    assert refused.whose == "ours"
    assert refused.words.startswith("Ours: Twilio calls, and our own door refuses it. Our door")
    assert "refused 7, the last at 03:04:00 UTC with 401 (signature): what signs" in refused.words
    before = replace(refused, last_at=HEARD - timedelta(minutes=4))
    assert before.whose == "theirs"
    assert "and has taken others since" in before.words


def test_a_door_nobody_gets_to_is_ours() -> None:
    """Whether nothing answers there or something else does, as a proxy that has lost us."""
    shut = replace(SILENT, door=Reach("ehr.example", "connection", "refused"))
    assert shut.whose == "ours"
    assert "our door does not answer: refused" in shut.words
    lost = replace(SILENT, door=Reach("ehr.example", None, http=502))
    assert lost.whose == "ours"
    assert "502 is answered where our door is" in lost.words


def test_what_is_late_is_not_called_silent() -> None:
    """It is said first, nothing is to be mended here, and our own door is asked all the same."""
    late = replace(SILENT, called_back=CalledBack("late", 4, HEARD, late_s=420))
    assert late.words.startswith("Callbacks are late, not lost: those that came since 03:00 UTC")
    assert "Twilio calls late" in late.words and "our door answers" in late.words
    assert "none of it has been heard" not in late.words
    assert late.advice is not None and late.advice.startswith("Wait")
    shut = replace(late, door=Reach("ehr.example", None, http=502))
    assert (shut.advice or "").startswith("Look at what stands before our own door")


def test_whom_alone_a_provider_does_not_call_has_something_entered_wrongly_there() -> None:
    """Others hear from it: where to look is said, with the address that is to stand there."""
    address = "https://ehr.example/v1/hooks/email/mesa"
    alone = replace(SILENT, calls_others=True, address=address)
    assert alone.words.startswith("This account’s webhook at Twilio, it seems: Twilio calls others")
    assert alone.advice is not None and address in alone.advice and alone.told.endswith("replayed")
    assert replace(alone, calls_others=False).told == replace(alone, calls_others=False).words
    shut = replace(alone, door=Reach("ehr.example", "connection", "refused"))
    assert shut.whose == "ours"
    assert (shut.advice or "").startswith("Look at what stands before our own door")
