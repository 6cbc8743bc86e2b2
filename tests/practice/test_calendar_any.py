"""Whatever a calendar holds, nothing is lost, and good rows come back as they were written."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mentalspace.practice.calendar_file import (
    CalendarFileUnreadable,
)
from tests.practice.test_calendar_file import (
    COLUMNS,
    CUSTOM_ZONE,
    NEW_YORK,
    again,
    event,
    ical,
    line,
    read,
)

VOCABULARY = [
    COLUMNS, "\n", "\r\n", "\r", ",", ";", '"', "\t", " ", "A-1", "2026-12-01T09:00", "50", "=",
    "BEGIN:VCALENDAR\n", "END:VCALENDAR\n", "BEGIN:VEVENT\n", "END:VEVENT\n", "UID:", "E-1\n",
    "DTSTART", "DTEND", ";TZID=", "Ours", ":", "20260308T023000", "Z", "RRULE:FREQ=", "YEARLY",
    "DAILY", ";COUNT=", ";BYDAY=", "RDATE:", "EXDATE:", "RECURRENCE-ID:20261202T140000Z\n",
    "DURATION:", "PT50M", "P", "99999999999", "SEQUENCE:", "ATTENDEE;CN=", "mailto:", "a@b.example",
    "ORGANIZER", "BEGIN:VTIMEZONE\n", "END:VTIMEZONE\n", "TZID:Ours\n", "BEGIN:STANDARD\n",
    "END:STANDARD\n", "TZOFFSETFROM:", "TZOFFSETTO:", "+0500\n", "BYDAY=", "\\", "é", "\u2028",
    CUSTOM_ZONE, event(), line(), "SUMMARY", "METHOD:CANCEL\n", "0001-01-01T00:00", "+23:59",
]  # fmt: skip
SCRAPS = st.lists(st.one_of(st.sampled_from(VOCABULARY), st.text(max_size=4)), max_size=40)


def check_any(data: bytes, name: str) -> None:
    try:
        first = read(data, name)
    except CalendarFileUnreadable as error:
        assert error.code and str(error)
        return
    assert read(data, name) == first
    for bad in first.bad:
        assert bad.mistakes
        again(bad.raw.reveal(), first.kind, bad.header)


@given(st.binary(max_size=400), st.sampled_from(["a.csv", "a.ics"]))
def test_any_bytes(data: bytes, name: str) -> None:
    """No bytes make it raise anything but its own refusal; reading twice gives the same."""
    check_any(data, name)


@given(SCRAPS, st.sampled_from([COLUMNS + "\n", "BEGIN:VCALENDAR\n", ""]))
@settings(max_examples=300)
@example([event(start="DTSTART;TZID=America/New_York:00010101T000000")], "BEGIN:VCALENDAR\n")
@example([event(start="DTSTART:99991231T235959")], "BEGIN:VCALENDAR\n")
@example([line(starts_at="9999-12-31T23:59-23:59")], COLUMNS + "\n")
def test_any_scraps(scraps: list[str], head: str) -> None:
    """Nor do the scraps of real files, put together anyhow."""
    check_any((head + "".join(scraps)).encode("utf-8", "replace"), "a.csv")


ROW_LINES = st.sampled_from(
    [line(), line(external_id="A-2"), line(duration_min="x"), line(external_id=""), 'A,"open']
)


@given(st.lists(ROW_LINES, max_size=12))
def test_no_row_is_lost(rows: list[str]) -> None:
    """Good, bad and merged rows add up to the rows of the file, each on its own line."""
    file = read("\n".join([COLUMNS, *rows]))
    assert len(file.rows) + len(file.bad) + file.merged == len(rows)
    lines = Counter([row.line for row in file.rows] + [bad.line for bad in file.bad])
    assert set(lines.values()) <= {1}
    assert all(bad.raw.reveal() == rows[bad.line - 2] for bad in file.bad)


@given(st.lists(st.sampled_from([event(), event(uid="E-2"), event("SEQUENCE:3"), event("DTEND:x"),
                                 event("RRULE:FREQ=DAILY"), "BEGIN:VEVENT\r\nUID:E-1"]),
                max_size=12))  # fmt: skip
def test_no_event_is_lost(events: list[str]) -> None:
    """Good, bad and older events add up to the events of the file; a series is one of them."""
    file = ical(*events)
    good = {row.series or row.external_id for row in file.rows}
    assert len(good) + len(file.bad) + file.merged == len(events)


ZONES = [NEW_YORK, "Europe/London", "Asia/Kolkata", "Pacific/Auckland"]
NAMES = st.text(
    st.characters(codec="utf-8", categories=["L", "P", "Nd", "Zs"]), min_size=1, max_size=30
).map(lambda name: f"M{name}x")


@given(
    st.lists(
        st.tuples(
            NAMES,
            st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 30)),
            st.integers(1, 1440),
            st.sampled_from(["scheduled", "cancelled"]),
        ),
        max_size=8,
    ),
    st.sampled_from(ZONES),
    st.booleans(),
)
def test_good_rows_round_trip(
    wanted: list[tuple[str, datetime, int, str]], zone: str, as_ical: bool
) -> None:
    """Appointments written down in four zones come back as they were, from either kind of file."""
    wanted = [(n, at.replace(second=0, microsecond=0, tzinfo=UTC), d, s) for n, at, d, s in wanted]
    if as_ical:
        file = ical(*(_as_event(f"E-{i}", one, zone) for i, one in enumerate(wanted)))
    else:
        file = read(
            "\n".join([COLUMNS, *(_as_line(f"A-{i}", w, zone) for i, w in enumerate(wanted))])
        )
    assert not file.bad
    got = [(r.client_name.reveal(), r.starts_at, r.duration_min, r.status) for r in file.rows]
    assert got == wanted


def _as_line(external_id: str, wanted: tuple[str, datetime, int, str], zone: str) -> str:
    name, at, minutes, status = wanted
    return line(
        external_id=external_id,
        client_name=name,
        starts_at=at.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes"),
        duration_min=str(minutes),
        status=status,
    )


def _as_event(uid: str, wanted: tuple[str, datetime, int, str], zone: str) -> str:
    name, at, minutes, status = wanted
    local = at.astimezone(ZoneInfo(zone))
    # The second of two equal wall-clock times can only be written in UTC.
    start = f"DTSTART:{at:%Y%m%dT%H%M%SZ}" if local.fold else (
        f"DTSTART;TZID={zone}:{local:%Y%m%dT%H%M%S}"
    )  # fmt: skip
    escaped = name.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;")
    end = at + timedelta(minutes=minutes)
    return event(
        f"DTEND:{end:%Y%m%dT%H%M%SZ}",
        f"SUMMARY:{escaped}",
        f"STATUS:{status.upper()}",
        uid=uid,
        start=start,
    )
