"""Tables of bad inputs, each tried here: what stands in a page is what somebody really gets."""

from __future__ import annotations

from dataclasses import replace

from docs.markdown import table
from mentalspace.engine.runbook import load_runbooks
from mentalspace.integrations import discover_rooms
from mentalspace.kernel.case import classify


def import_errors() -> str:
    """The bad values of the calendar tests, each with the answer a person really gets."""
    from tests.practice.test_calendar_file import BAD_VALUES, COLUMNS, line, read

    rows = []
    for column, value, code in BAD_VALUES:
        [bad] = read(f"{COLUMNS}\n{line(**{column: value})}\n").bad
        [mistake] = bad.mistakes
        rows.append([f"`{column}`", _shown(value), f"`{code}`", mistake.text, mistake.cure])
    return table("column | value | code | what is said | the cure", rows)


def series_errors() -> str:
    """The bad series of the calendar tests, the first of each kind."""
    from tests.practice.test_calendar_file import event, ical
    from tests.practice.test_series import BAD_SERIES, START

    rows: dict[str, list[str]] = {}
    for lines, column, code in BAD_SERIES:
        [bad] = ical(event(*lines, start=START)).bad
        [mistake] = bad.mistakes
        shown = _shown(lines[-1], longest=60)
        rows.setdefault(code, [f"`{column}`", shown, f"`{code}`", mistake.text, mistake.cure])
    return table("property | line | code | what is said | the cure", list(rows.values()))


def bad_numbers() -> str:
    """The numbers of the SMS room's tests, each with what the front desk is told."""
    from mentalspace.integrations.sms.number import NotANumber, normalise
    from mentalspace.integrations.sms.tests.test_text import BAD_NUMBERS

    rows = []
    for raw, _code in BAD_NUMBERS:
        try:
            normalise(raw)
        except NotANumber as error:
            rows.append([_shown(raw), f"`{error.code}`", str(error)])
    return table("number | code | what is said", rows)


def number_notes() -> str:
    """Numbers of rows that land, each with what the report says of it and of its client."""
    from mentalspace.integrations.sms.number import NotANumber, normalise
    from mentalspace.workflows.import_numbers import number_note

    rows = []
    for typed, has_email, wants_mail in (
        ("555-0142", True, True),
        ("+1 202 055 0142", True, False),
        ("+44 20 7946 0958", True, True),
        ("+44 20 7946 0958", False, True),
    ):
        code: str
        try:
            code = normalise(typed).kind
        except NotANumber as error:
            code = error.code
        note = number_note(2, typed, code, has_email=has_email, wants_mail=wants_mail)
        mail = "none" if not has_email else "known" if wants_mail else "known, not instead of texts"
        rows.append([_shown(typed), mail, f"`{code}`", note.text, note.then])
    return table("number | mail address | code | what is said | and then", rows)


def bad_texts() -> str:
    """What the guard says of a good text with one thing changed, and the case that it meets."""
    from mentalspace.integrations.sms.model import guard
    from mentalspace.integrations.sms.tests.test_text import GUARDED, TEXT

    cases = load_runbooks(list(discover_rooms().values()), None).room("sms").cases_for("twilio")
    rows = []
    for changed, _code in GUARDED:
        evidence = guard(replace(TEXT, **changed).to_bytes())
        if evidence is not None:
            case = classify(cases, evidence).id
            values = ", ".join(_shown(str(value), 60) for value in changed.values())
            rows.append([", ".join(changed), values, f"`{evidence.code}`", f"`{case}`"])
    return table("of the text | is | code | case", rows)


def bad_callbacks() -> str:
    """A signed callback with one thing changed, and signed ones that nobody can read."""
    from mentalspace.engine.reception import HTTP_OF
    from mentalspace.integrations.sms.tests import test_twilio_webhooks as tests
    from mentalspace.integrations.sms.twilio.webhooks import parse, verify
    from mentalspace.kernel.errors import WebhookRefused

    rows = []
    for what, changes, _code in tests.TAMPERED:
        code = tests.refusal(changes)
        rows.append([what, f"`{code}`", str(HTTP_OF[code])])
    for raw, _code in tests.UNREADABLE:
        gets = str(HTTP_OF["body"])
        try:
            verify(tests.signed(raw), tests.SECRETS, tests.NOW)
            gets = "200, and kept for a person"
            parse(raw, "")
        except WebhookRefused as error:
            shown = _shown(raw.decode("utf-8", "replace"), 100)
            rows.append([f"signed, but reads {shown}", f"`{error.code}`", gets])
    return table("callback | code | what it gets", rows)


def _shown(value: str, longest: int = 40) -> str:
    if not value:
        return "nothing"
    short = value if len(value) <= longest else f"{value[:3]}… ({len(value)} characters)"
    return f"`{short}`".replace("\n", "⏎")
