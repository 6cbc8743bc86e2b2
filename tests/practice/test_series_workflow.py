"""A series lands: each date an appointment, changed by later files, and told of once."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mentalspace.workflows.calendar_import import ImportResult, correct_row, import_calendar
from tests.practice.office import Office

FIXTURES = Path(__file__).parent / "fixtures"
GUEST = "ATTENDEE;CN=Lena Fischer:mailto:lena@clients.example"


@pytest.fixture
def first(office: Office) -> datetime:
    """A quarter past three in the afternoon, UTC, a week ahead."""
    day = office.services.clock.now() + timedelta(days=7)
    return day.replace(hour=15, minute=15, second=0, microsecond=0)


def event(start: datetime, *lines: str, uid: str = "s-1") -> str:
    head = [f"DTSTART:{start:%Y%m%dT%H%M%SZ}", "DURATION:PT50M", "SUMMARY:Session", GUEST]
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", *head, *lines, "END:VEVENT"])


def at(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"


async def land(office: Office, *events: str, method: str = "PUBLISH") -> ImportResult:
    lines = ["BEGIN:VCALENDAR", f"METHOD:{method}", *events, "END:VCALENDAR", ""]
    data = "\r\n".join(lines).encode()
    return await import_calendar(
        office.services, office.claims, data, "calendar.ics", imported_by="sam"
    )


def counts(result: ImportResult) -> tuple[int, int, int, int]:
    assert not result.bad
    return result.new, result.changed, result.cancelled, result.unchanged


async def dates(office: Office, status: str = "scheduled") -> list[datetime]:
    rows = await office.fetch(
        "select starts_at from appointment where status = $1 order by starts_at", status
    )
    return [row["starts_at"] for row in rows]


async def mails(office: Office) -> Counter[str]:
    """Those that were not cancelled before they left."""
    return Counter(kind for kind, status in await office.mails() if status == "pending")


WEEK = timedelta(weeks=1)


async def test_a_series_lands_once(office: Office, first: datetime) -> None:
    """Each date is an appointment with its reminder; one mail says that they are booked, and how
    many; the same file again changes nothing."""
    weekly = event(first, "RRULE:FREQ=WEEKLY;COUNT=10", f"EXDATE:{at(first + 2 * WEEK)}")
    result = await land(office, weekly)
    assert counts(result) == (9, 0, 0, 0)
    assert any("recurring events: 1, with 9 appointments" in note for note in result.notes)
    assert await dates(office) == [first + n * WEEK for n in range(10) if n != 2]
    assert await mails(office) == {"created": 1, "reminder": 9}
    [booked, *_] = await office.written()
    assert "8 more appointments of the same series are booked." in booked.text
    assert len(await office.fetch("select 1 from client")) == 1
    assert counts(await land(office, weekly)) == (0, 0, 0, 9)
    assert await mails(office) == {"created": 1, "reminder": 9}


async def test_a_later_file_moves_and_calls_off(office: Office, first: datetime) -> None:
    """A moved date is moved, one left out or past a new end is cancelled, and the client is told
    of each; other series and appointments stay."""
    other = event(first + timedelta(hours=2), uid="s-10")
    single = event(first + timedelta(hours=4), uid="s")
    await land(office, event(first, "RRULE:FREQ=WEEKLY;COUNT=5"), other, single)
    moved = event(first + WEEK + timedelta(hours=1), f"RECURRENCE-ID:{at(first + WEEK)}")
    shorter = event(first, "RRULE:FREQ=WEEKLY;COUNT=4", f"EXDATE:{at(first + 2 * WEEK)}")
    assert counts(await land(office, shorter, moved)) == (0, 1, 2, 2)
    assert await dates(office, "cancelled") == [first + 2 * WEEK, first + 4 * WEEK]
    assert first + WEEK + timedelta(hours=1) in await dates(office)
    told = await mails(office)
    assert (told["updated"], told["cancelled"], told["reminder"]) == (1, 2, 5)
    back = counts(await land(office, event(first, "RRULE:FREQ=WEEKLY;COUNT=5")))
    assert back == (0, 3, 0, 2)


async def test_a_cancelled_series(office: Office, first: datetime) -> None:
    """What lies ahead is cancelled, with one mail for all; what has been stays."""
    start = office.services.clock.now().replace(microsecond=0) - timedelta(hours=2)
    await land(office, event(start, "RRULE:FREQ=WEEKLY;COUNT=7"))
    result = await land(office, event(start, "RRULE:FREQ=WEEKLY;COUNT=7", "STATUS:CANCELLED"))
    assert counts(result) == (0, 0, 6, 0)
    assert await dates(office) == [start]
    assert await mails(office) == {"cancelled": 1}
    [text] = [mail.text for mail in await office.written() if mail.kind == "appointment_cancelled"]
    assert "5 more appointments of the same series are cancelled, too." in text


async def test_a_later_import_goes_on(office: Office, first: datetime) -> None:
    """An endless series is booked a year ahead; the same file five weeks later adds five dates,
    which are reminded of without a mail each."""
    endless = event(first, "RRULE:FREQ=WEEKLY")
    began = await land(office, endless)
    await office.advance(5 * WEEK)
    assert counts(await land(office, endless)) == (5, 0, 0, began.new - 4)
    told = await mails(office)
    assert told == {"created": 1, "reminder": began.new + 5}
    assert await dates(office, "cancelled") == []


async def test_one_date_alone(office: Office, first: datetime) -> None:
    """A changed or cancelled date that comes without its series touches that date alone."""
    await land(office, event(first, "RRULE:FREQ=WEEKLY;COUNT=5"))
    moved = event(first + timedelta(hours=1), f"RECURRENCE-ID:{at(first)}")
    assert counts(await land(office, moved)) == (0, 1, 0, 0)
    gone = event(first + WEEK, f"RECURRENCE-ID:{at(first + WEEK)}")
    assert counts(await land(office, gone, method="CANCEL")) == (0, 0, 1, 0)
    assert len(await dates(office)) == 4


async def test_a_single_event_becomes_a_series_and_back(office: Office, first: datetime) -> None:
    """Its own date stays the appointment it was, and nothing is booked twice."""
    await land(office, event(first))
    [before] = await office.fetch("select id from appointment")
    assert counts(await land(office, event(first, "RRULE:FREQ=WEEKLY;COUNT=3"))) == (2, 0, 0, 1)
    assert counts(await land(office, event(first))) == (0, 0, 2, 1)
    assert [row["id"] for row in await office.fetch(
        "select id from appointment where status = 'scheduled'"
    )] == [before["id"]]  # fmt: skip


async def test_a_corrected_series_lands(office: Office, first: datetime) -> None:
    """A series that waits is corrected as a whole, with its changed dates."""
    moved = event(first + WEEK + timedelta(hours=1), f"RECURRENCE-ID:{at(first + WEEK)}")
    result = await land(office, event(first, "RRULE:FREQ=WEEKLY;COUNT=x"), moved)
    assert (result.new, len(result.bad)) == (0, 1)
    [row] = await office.fetch("select id from import_row")
    raw = result.bad[0].raw.reveal().replace("COUNT=x", "COUNT=3")
    correction = await correct_row(office.services, office.claims, row["id"], raw)
    assert correction.change == "new"
    assert await dates(office) == [first, first + WEEK + timedelta(hours=1), first + 2 * WEEK]


@pytest.mark.parametrize("name", ["khal-series.ics", "google-style.ics"])
async def test_programs_files_land_twice(office: Office, name: str) -> None:
    """Files that hold series with exceptions land, and a second time change nothing."""
    data = (FIXTURES / name).read_bytes()
    for _ in range(2):
        result = await import_calendar(
            office.services, office.claims, data, name, imported_by="sam"
        )
    assert (result.new, result.changed, result.cancelled, result.bad) == (0, 0, 0, ())
