"""A recurring event and its changed dates: the appointments it has within a window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo

from mentalspace.kernel.phi import Phi
from mentalspace.practice.calendar_file.ical_event import Event, read_appointment
from mentalspace.practice.calendar_file.ical_property import first_value
from mentalspace.practice.calendar_file.ical_repeat import NeverHappens, Rule, dates, read_rule
from mentalspace.practice.calendar_file.ical_time import (
    WallTime,
    parse_local,
    read_value,
    read_wall_time,
)
from mentalspace.practice.calendar_file.row import AppointmentRow, Reading, Series, Window

# Twice a day for a year. No rule is followed further than so many dates from its start.
MAX_APPOINTMENTS = 750
MAX_DATES = 20_000
MAX_LISTED = 2_000
DAY = timedelta(days=1)


def occurrence_id(uid: str, at: datetime) -> str:
    """What a date of a series is known by, even once moved: when its rule has it."""
    return f"{uid}/{at:%Y%m%dT%H%M%SZ}"


def read_series(main: Event, changes: Sequence[Event], zone: tzinfo, window: Window) -> Reading:
    """The event itself with every changed date of it that the file holds.

    One mistake in any of them makes the whole a row to correct: to land a part would tell a
    client of a time that another part changes.
    """
    row = read_appointment(main, zone)
    starts = _starts(main, zone, window) if row else []
    changed = {change.replaces: _changed(change, zone) for change in changes}
    mistakes = tuple(m for event in (main, *changes) for m in event.mistakes.found)
    raw = "\n".join(event.raw for event in (main, *changes))
    series, rows = None, []
    if row and not mistakes:
        if row.status == "scheduled":
            rows = list(_rows(row, starts, changed, window))
        series = Series(main.uid, frozenset(one.external_id for one in rows))
    header = main.text.calendar.header(raw)
    return Reading(main.text.line, Phi(raw), header, tuple(rows), mistakes, series)


def read_changed_date(change: Event, zone: tzinfo) -> AppointmentRow | None:
    """A changed date of a series that the file does not hold."""
    row = read_appointment(change, zone)
    if row is None or change.replaces is None:
        return None
    return _date_of(row, change.uid, change.replaces)


def _rows(
    row: AppointmentRow,
    starts: Iterable[datetime],
    changed: dict[datetime | None, AppointmentRow | None],
    window: Window,
) -> Iterator[AppointmentRow]:
    """The dates in their order; a changed one counts although the rule no longer has it."""
    whole: dict[datetime, AppointmentRow | None]
    whole = {at: replace(row, starts_at=at) for at in starts}
    whole |= {at: one for at, one in changed.items() if at is not None}
    for at, one in sorted(whole.items()):
        if one and one.status == "scheduled" and max(at, one.starts_at) >= window.first:
            yield _date_of(_with_client(one, row), row.external_id, at)


def _changed(change: Event, zone: tzinfo) -> AppointmentRow | None:
    """None for a date that does not take place: programs say little more of it than that."""
    if first_value(change.properties, "STATUS").strip().upper() in ("CANCELLED", "CANCELED"):
        return None
    return read_appointment(change, zone)


def _with_client(one: AppointmentRow, row: AppointmentRow) -> AppointmentRow:
    """A changed date that names no guest is its series' client's."""
    if one.client_email:
        return one
    return replace(
        one,
        client_external_id=row.client_external_id,
        client_name=row.client_name,
        client_email=row.client_email,
    )


def _date_of(row: AppointmentRow, uid: str, at: datetime) -> AppointmentRow:
    return replace(row, external_id=occurrence_id(uid, at), series=uid)


def _starts(main: Event, zone: tzinfo, window: Window) -> list[datetime]:
    """The instants within the window at which the rule and the added dates have it."""
    properties, mistakes = main.properties, main.mistakes
    start = read_wall_time("DTSTART", properties, main.text.calendar, zone, mistakes)
    if "EXRULE" in properties:
        mistakes.add(
            "EXRULE",
            "exception_rule",
            "rules for what is left out are no longer part of iCalendar, and not read",
            "write the dates that are left out as EXDATE",
        )
    added, left_out = _listed(main, "RDATE", zone), _listed(main, "EXDATE", zone)
    if start is None:
        return []
    found = [at for at in added.instants if window.first <= at <= window.last]
    rule = None
    if "RRULE" in properties:
        rule = read_rule(first_value(properties, "RRULE"), start, mistakes)
    found += _ruled(rule, start, window, main)
    kept = {at for at in found if at not in left_out.instants}
    if left_out.days:
        kept = {at for at in kept if at.astimezone(start.zone).date() not in left_out.days}
    if len(kept) > MAX_APPOINTMENTS:
        _too_many(main)
    return sorted(kept)


def _ruled(rule: Rule | None, start: WallTime, window: Window, main: Event) -> list[datetime]:
    if rule is None or start.instant > window.last:
        return [start.instant] if window.first <= start.instant <= window.last else []
    found: list[datetime] = []
    near = window.first.replace(tzinfo=None) - 2 * DAY
    far = window.last.replace(tzinfo=None) + 2 * DAY
    try:
        for number, local in enumerate(dates(rule, start.local, far)):
            if number >= MAX_DATES:
                _too_many(main)
                return []
            # Changing the zone is dear, and needless for a date that is years away.
            at = WallTime(local, start.zone).instant if local >= near or rule.until else None
            if local > far or (at and (at > window.last or rule.is_over(local, at))):
                break
            if at and at >= window.first:
                found.append(at)
    except NeverHappens:
        main.mistakes.add(
            "RRULE",
            "never_happens",
            "no date meets its conditions",
            "correct the rule, or leave it out for a single appointment",
        )
    return found


def _too_many(main: Event) -> None:
    main.mistakes.add(
        "RRULE" if "RRULE" in main.properties else "RDATE",
        "too_many_dates",
        f"it has more than {MAX_APPOINTMENTS} dates in the year that is read ahead, "
        f"or {MAX_DATES} since it began",
        "let it happen less often, end it with UNTIL or COUNT, or begin it later",
    )


@dataclass(frozen=True, slots=True)
class _Listed:
    instants: frozenset[datetime]
    days: frozenset[date]


def _listed(main: Event, column: str, zone: tzinfo) -> _Listed:
    """The dates of every RDATE or EXDATE; some programs leave out by the day alone."""
    instants: set[datetime] = set()
    days: set[date] = set()
    calendar, mistakes = main.text.calendar, main.mistakes
    for found in main.properties.get(column, ()):
        values = [value.strip() for value in found.value.split(",")]
        if len(instants) + len(days) + len(values) > MAX_LISTED:
            mistakes.add(
                column,
                "too_many_dates",
                f"it lists more than {MAX_LISTED} dates",
                "begin a new series for the later ones",
            )
            break
        for value in values:
            midnight = parse_local(f"{value}T000000") if column == "EXDATE" else None
            if midnight:
                days.add(midnight.date())
            elif at := read_value(column, found, value, calendar, zone, mistakes):
                instants.add(at.instant)
    return _Listed(frozenset(instants), frozenset(days))
