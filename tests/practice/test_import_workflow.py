"""A calendar file lands: good rows book, bad rows wait, and the same file again changes nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mentalspace.practice.calendar_file import CalendarFileUnreadable
from mentalspace.workflows.calendar_import import (
    ImportResult,
    RowUnknown,
    correct_row,
    discard_row,
    import_calendar,
    raw_of_row,
)
from mentalspace.workflows.demo import system_claims
from tests.house import write_agreements
from tests.practice.office import Office

FIXTURES = Path(__file__).parent / "fixtures"
HEADER = ("external_id,client_external_id,client_name,client_email,client_phone,client_timezone,"
          "client_language,clinician_email,starts_at,duration_min,status")  # fmt: skip
NAME = "Wilhelmina Quackenbush"
BAD = f"x-1,c-9,{NAME},wil.quack@clients.example,,,,,tomorrow at noon,50,"


def line(number: int, *, days: float = 3, status: str = "", email: str | None = None) -> str:
    starts = f"2031-05-{10 + int(days):02}T09:00"
    email = f"p{number}@clients.example" if email is None else email
    return (
        f"a-{number},c-{number},Person {number},{email},,America/Chicago,en,,{starts},50,{status}"
    )


async def land(office: Office, *lines: str) -> ImportResult:
    return await import_file(office, "\r\n".join((HEADER, *lines)).encode())


async def import_file(office: Office, data: bytes, name: str = "calendar.csv") -> ImportResult:
    return await import_calendar(office.services, office.claims, data, name, imported_by="sam")


async def test_good_rows_book_and_bad_rows_wait(office: Office) -> None:
    """Beside a row that cannot be read the others land with their mails; the bad one is kept."""
    result = await land(office, line(1), BAD, line(2, status="cancelled"))
    assert (result.new, len(result.bad)) == (2, 1)
    assert await office.mails() == [("created", "pending"), ("reminder", "pending")]
    [row] = await office.fetch("select line, state, mistakes from import_row")
    assert (row["line"], row["state"]) == (3, "open")
    [mistake] = row["mistakes"]
    assert mistake["column"] == "starts_at"
    assert mistake["cure"]


async def test_a_reminder_follows_its_client_to_a_new_address(office: Office) -> None:
    """When only the address changes, the reminder that waits is written anew, to the new one."""
    await land(office, line(1))
    result = await land(office, line(1, email="moved@clients.example"))
    assert (result.new, result.unchanged) == (0, 1)
    rows = await office.fetch(
        "select notification_type, recipient_email, status from appointment_notifications"
        " where notification_type = 'reminder' order by created_at, status"
    )
    assert [(row["recipient_email"], row["status"]) for row in rows] == [
        ("p1@clients.example", "cancelled"),
        ("moved@clients.example", "pending"),
    ]


async def test_importing_twice_changes_nothing(office: Office) -> None:
    """The same file again books nothing, writes to nobody and keeps no bad row twice."""
    rows = (line(1), line(2), BAD)
    await land(office, *rows)
    before = await _everything(office)
    again = await land(office, *rows)
    assert (again.new, again.changed, again.cancelled, again.unchanged) == (0, 0, 0, 2)
    assert again.bad_known == 1
    assert await _everything(office) == before


async def _everything(office: Office) -> dict[str, Any]:
    return {
        table: await office.fetch(f"select {columns} from {table} order by id")
        for table, columns in {
            "appointment": "id, starts_at, status, version",
            "appointment_notifications": "id, status",
            "delivery": "id, status",
            "import_row": "id, state",
        }.items()
    }


async def test_a_later_file_moves_and_cancels(office: Office) -> None:
    """A row with another time moves its appointment, one cancelled in the file is cancelled."""
    await land(office, line(1), line(2), line(3))
    result = await land(office, line(1, days=5), line(2, status="cancelled"), line(3))
    assert (result.changed, result.cancelled, result.unchanged) == (1, 1, 1)
    rows = await office.fetch("select external_id, status, version from appointment order by 1")
    assert [tuple(row.values()) for row in rows] == [
        ("a-1", "scheduled", 2),
        ("a-2", "cancelled", 2),
        ("a-3", "scheduled", 1),
    ]


async def test_a_files_silence_cancels_nothing(office: Office) -> None:
    """An appointment that a later file does not mention stays as it is."""
    await land(office, line(1), line(2))
    await land(office, line(2))
    assert {row["status"] for row in await office.fetch("select status from appointment")} == {
        "scheduled"
    }


async def test_an_empty_field_forgets_nothing_of_a_client(office: Office) -> None:
    """A later row without an address leaves the one that is known."""
    await land(office, line(1))
    await land(office, line(1, email=""))
    assert await office.fetch("select email, timezone from client") == [
        {"email": "p1@clients.example", "timezone": "America/Chicago"}
    ]


@pytest.mark.parametrize(
    "name", ["gnumeric.csv", "gnumeric-utf16.csv", "excel-style.csv", "khal.ics"]
)
async def test_files_that_real_programs_wrote_land(office: Office, name: str) -> None:
    """A spreadsheet's and a calendar program's files land twice with the same result."""
    data = (FIXTURES / name).read_bytes()
    first = await import_file(office, data, name)
    assert first.new > 0
    second = await import_file(office, data, name)
    assert (second.new, second.changed) == (0, 0)
    assert second.unchanged == first.new


async def test_a_file_that_cannot_be_read_changes_nothing(office: Office) -> None:
    """A file of another kind is refused as a whole, with a sentence, and leaves no trace."""
    with pytest.raises(CalendarFileUnreadable):
        await import_file(office, b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    assert await office.fetch("select 1 from import_file") == []


async def test_what_waits_is_unreadable_at_rest_and_quotes_nobody(
    office: Office, admin: asyncpg.Connection[Any]
) -> None:
    """No column of a kept row holds the person in it; its mistakes quote no value."""
    await land(office, BAD)
    [row] = await admin.fetch("select * from import_row")
    for name, value in row.items():
        seen = value if isinstance(value, bytes) else str(value).encode()
        for private in (NAME, "wil.quack", "tomorrow", HEADER[:20]):
            assert private.encode() not in seen, name
    row_id = row["id"]
    assert NAME in await raw_of_row(office.services, office.claims, row_id)


async def test_a_corrected_row_lands_once(office: Office) -> None:
    """While mistakes remain they are named and the row stays; corrected it books, and is closed."""
    await land(office, BAD)
    [row] = await office.fetch("select id from import_row")
    still = await correct_row(
        office.services, office.claims, row["id"], BAD.replace("tomorrow at noon", "2031-99-01")
    )
    assert still.change is None
    assert still.mistakes[0].column == "starts_at"
    good = BAD.replace("tomorrow at noon", "2031-05-02T12:00")
    assert (await correct_row(office.services, office.claims, row["id"], good)).change == "new"
    assert await office.fetch("select external_id from appointment") == [{"external_id": "x-1"}]
    with pytest.raises(RowUnknown):
        await correct_row(office.services, office.claims, row["id"], good)
    with pytest.raises(RowUnknown):
        await raw_of_row(office.services, office.claims, row["id"])


async def test_a_discarded_row_may_come_again(office: Office) -> None:
    """A discarded row is closed; the same text in a later file is asked about anew."""
    await land(office, BAD)
    [row] = await office.fetch("select id from import_row")
    await discard_row(office.services, office.claims, row["id"])
    assert (await land(office, BAD)).bad_known == 0
    states = await office.fetch("select state from import_row order by created_at")
    assert [s["state"] for s in states] == ["discarded", "open"]


async def test_another_practices_rows_are_unknown(office: Office) -> None:
    """Kept rows of one practice can be neither read, corrected nor discarded by another."""
    await land(office, BAD)
    [row] = await office.fetch("select id from import_row")
    theirs = system_claims(office.other_id)
    for act in (
        raw_of_row(office.services, theirs, row["id"]),
        correct_row(office.services, theirs, row["id"], line(1)),
        discard_row(office.services, theirs, row["id"]),
    ):
        with pytest.raises(RowUnknown):
            await act


@pytest.mark.alone
async def test_a_bigger_file_lands_in_reasonable_time(office: Office) -> None:
    """Three hundred appointments land in one go, each with its own mail."""
    began = office.services.clock.now()
    result = await land(office, *(line(number) for number in range(300)))
    assert result.new == 300
    assert len(await office.mails()) == 600
    assert office.services.clock.now() - began < timedelta(seconds=20)


async def test_numbers_that_get_no_texts_are_named_with_what_happens_then(
    office: Office, admin: Any
) -> None:
    """The rows land; the report says where, what, and how the client is told, and quotes nobody."""
    rows = [
        line(number, email=email).replace(",,America", f",{phone},America")
        for number, phone, email in (
            (1, "(202) 555-0141", None),
            (2, "555-0142", None),
            (3, "+44 20 7946 0958", ""),
        )
    ]
    result = await land(office, *rows)
    assert (result.new, result.bad) == (3, ())
    assert [(note.line, note.column, note.code) for note in result.numbers] == [
        (3, "client_phone", "too_short"),
        (4, "client_phone", "landline"),
    ]
    short, fixed = result.numbers
    assert "area code" in short.text
    assert "told by mail" in short.then
    assert "no mail address is known either: call them" in fixed.then
    assert "0958" not in str(result.numbers)
    await write_agreements(admin)
    await admin.execute(
        "update client set text_agreed_at = now(), reminders_by = 'text', changes_by = 'text',"
        " text_falls_back = false where external_id = 'c-2'"
    )
    [refused, _] = (await land(office, *rows)).numbers
    assert "wants no mail in a text's place: call them" in refused.then
