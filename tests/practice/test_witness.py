"""Ours or theirs, by what a provider answers other credentials."""

from __future__ import annotations

import pytest

from mentalspace.workflows.doctor import Witness
from mentalspace.workflows.doctor.report import RoomFinding

WELL = RoomFinding("sms", "twilio/a", "provider", "good", "key accepted")
SILENT = RoomFinding("sms", "twilio/a", "provider", "bad", "no answer", "theirs")
REFUSED = RoomFinding("sms", "twilio/a", "provider", "bad", "401", "ours")


@pytest.mark.parametrize(
    ("own", "others", "says"),
    [
        (WELL, [], "it answers a harmless question"),
        (SILENT, [], "it fails a harmless question too"),
        (WELL, [WELL], "it answers everybody"),
        (WELL, [SILENT, WELL], "not all of the others"),
        (SILENT, [WELL, SILENT], "more likely ours"),
        (SILENT, [SILENT], "more likely theirs"),
        (SILENT, [REFUSED], "more likely theirs"),
        (REFUSED, [REFUSED, REFUSED], "see whether they were changed together"),
    ],
)
def test_which_way_it_points(own: RoomFinding, others: list[RoomFinding], says: str) -> None:
    """A key that is refused is its owner's matter, also where another's is; silence is not."""
    assert says in Witness(own, others).says
