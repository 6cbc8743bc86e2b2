"""What may be told to others of an incident, by what is known of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from mentalspace.console.status_text import status_text
from mentalspace.workflows.impact.people import NAMES

THREE = datetime(2026, 11, 28, 3, 5, tzinfo=UTC)
MOVED = {"kind": "moved", "at": THREE.replace(minute=12), "data": {"count": 8}}


def told(
    *,
    moved: bool,
    waiting: int = 0,
    practices: int = 1,
    kind: str | None = None,
    zones: tuple[str, ...] = (),
    touched: dict[str, Any] | None = None,
    **incident: Any,
) -> str:
    known = {
        "practice_timezone": "UTC",
        "integration": "email",
        "status": "acknowledged",
        "fault": "theirs",
        "since": THREE,
        "recovered_at": None,
        "over_since": incident.get("recovered_at"),
        "resolved_at": None,
        "facts": {},
        **incident,
    }
    impact: dict[str, Any] = {
        **dict.fromkeys((*NAMES, "waiting", "lost", "held"), 0),
        **{"people": 8, "people_reached": 8, "waiting": waiting, "next_appointment_at": None},
        **(touched or {}),
    }
    story = [{"kind": "lane_paused", "at": THREE, "data": {}}, *([MOVED] if moved else [])]
    return status_text(known, {"impact": impact, "story": story}, practices, kind, zones).text


def test_one_client_was_touched_and_several_were() -> None:
    assert "8 clients were touched" in told(moved=False)
    assert "1 client was touched" in told(moved=False, touched={"people": 1, "people_reached": 1})


def test_a_failover_is_told() -> None:
    """Once messages leave by another way, nobody is told that they wait for the provider."""
    assert "what waits is sent as soon as it answers again" in told(moved=False)
    text = told(moved=True)
    assert "Since 03:12 UTC on Sat 28 Nov messages leave by another way." in text
    assert "as soon as it answers again" not in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"waiting": 1}, "messages leave by another way. 1 message still waits."),
        ({"practices": 3}, "by another way where there is a second provider."),
        (
            {"waiting": 8, "touched": {"people_reached": 0, "people_open": 8}},
            "The other way they leave by is out as well. 8 messages still wait.",
        ),
        ({"recovered_at": THREE}, "Meanwhile 8 messages left by another way."),
        ({"status": "open"}, "messages leave by another way."),
    ],
)
def test_a_failover_is_told_as_it_stands(changes: dict[str, Any], words: str) -> None:
    """With what still waits, at whom it holds, and in the past once it is over."""
    assert words in told(moved=True, **changes)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            "callbacks",
            "we do not hear in time what became of some e-mails to clients. They have gone out.",
        ),
        ("lost_callbacks", "we ask for what became of some e-mails to clients"),
        ("undelivered", "were taken on their way and did not arrive."),
        ("cost", "cost more than they usually do."),
    ],
)
def test_nobody_is_told_that_what_went_out_is_late(kind: str, words: str) -> None:
    """Nor that it is kept, or sent later."""
    for text in (told(moved=False, kind=kind), told(moved=False, kind=kind, recovered_at=THREE)):
        for wrong in ("late", "is kept", "is sent as soon as", "go out again"):
            assert wrong not in text
    assert words in told(moved=False, kind=kind)


def test_a_text_keeps_to_one_zone_and_adds_up() -> None:
    """Whatever hours it tells are the practice's, and it names each part of whom it touched."""
    text = told(
        moved=True,
        practice_timezone="America/Phoenix",
        touched={
            "people_left": 3, "people_open": 2, "people_lost": 1, "people_reached": 5,
            "next_appointment_at": THREE.replace(hour=16),
        },
    )  # fmt: skip
    hours = re.findall(r"\d\d:\d\d (\S+) on", text)
    assert len(hours) >= 3
    assert set(hours) == {"MST"}
    assert "2 not reached yet, 1 not reached, and not tried again, 5 reached since" in text


EAST, WEST = "America/New_York", "America/Los_Angeles"
SIX_ZONES = (WEST, EAST, "America/Chicago", "America/Denver", "Pacific/Honolulu", "America/Detroit")


@pytest.mark.parametrize(
    ("zones", "words"),
    [
        ((WEST, EAST), "19:05 New York / 16:05 Los Angeles on Fri 27 Nov some"),
        ((EAST, "America/Detroit"), "Since 19:05 EST on Fri 27 Nov some"),
        (("Asia/Tokyo", EAST), "09:05 Tokyo on Sat 28 Nov / 19:05 New York on Fri 27 Nov some"),
        (SIX_ZONES, "00:05 UTC on Sat 28 Nov (Fri 19:05 New York to Fri 14:05 Honolulu) some"),
        ((), "Since 00:05 UTC on Sat 28 Nov some"),
    ],
)
def test_practices_of_several_zones_find_their_own_hours(
    zones: tuple[str, ...], words: str
) -> None:
    """In each of few; of many UTC leads. What shows the same hour is one."""
    text = told(
        moved=False, practices=3, practice_timezone=None, zones=zones, since=THREE.replace(hour=0)
    )
    assert words in text


def test_one_practice_has_its_own_hour_whoever_else_there_is() -> None:
    text = told(moved=False, practice_timezone=EAST, zones=(EAST, WEST))
    assert "Since 22:05 EST on Fri 27 Nov" in text and "UTC" not in text


@pytest.mark.parametrize("over", [{}, {"recovered_at": THREE}])
def test_it_says_that_nothing_is_lost_only_where_that_is_so(over: dict[str, Any]) -> None:
    """What was refused for good, and what a person must decide, with where each stands."""
    assert "Nothing is lost" in told(moved=False, **over)
    text = told(moved=False, touched={"lost": 3}, **over)
    assert "Nothing is lost" not in text
    assert (
        "3 messages were refused or ran out of time and are not sent again by themselves." in text
    )
    assert "on the list of whom to telephone. Whatever else has not gone out is kept." in text
    text = told(moved=False, touched={"held": 1}, **over)
    assert "Nothing is lost" not in text
    assert "1 message waits among the dead letters until one of us decides." in text
    text = told(moved=False, touched={"lost": 1}, integration="storage", **over)
    assert "1 copy of a document was refused" in text
    assert "among the dead letters, under “Ended”" in text


def test_what_will_not_be_sent_is_said_at_the_end_as_well() -> None:
    closed: dict[str, Any] = {"status": "resolved", "resolved_at": THREE, "recovered_at": THREE}
    assert "Nothing is lost" not in told(moved=False, **closed)
    assert "2 messages were refused" in told(moved=False, touched={"lost": 2}, **closed)


def test_refused_keys_of_many_are_not_called_our_doing() -> None:
    """What its tries call ours, for every key is refused, is told as the provider's most likely;
    and what fails since a new secret the other way round."""
    many = told(moved=False, fault="theirs", facts={"refused_together": True, "met": "ours"})
    assert "The cause most likely lies with our e-mail provider." in many
    assert "on our side" not in many
    entered = told(moved=False, fault="ours", facts={"met": "theirs"})
    assert "The cause is most likely on our side" in entered
