"""What a mail may not give away, and that our own mails give nothing away."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import date

import pytest

from mentalspace.integrations.email.model import Attachment, Mail, guard
from mentalspace.integrations.email.render import appointment_mail, receipt_mail
from mentalspace.integrations.email.tests.samples import FACTS, SENDER, TO, every_mail
from mentalspace.integrations.email.words import LANGUAGES, WORDS
from mentalspace.practice.saying.facts import Letterhead, ReceiptFacts
from mentalspace.practice.saying.lint import CURES, lint, preheader, visible

OURS = ("Lakeside Counseling", "+1 (555) 010-0199")


def _rules(text: str, *, lock_screen: bool = False, names: tuple[str, ...] = ()) -> list[str]:
    found = lint("text", text, lock_screen=lock_screen, may_say=OURS, must_not_say=names)
    return [finding.rule for finding in found]


@pytest.mark.parametrize("language", LANGUAGES)
def test_our_own_mails_pass(language: str) -> None:
    """Nothing that we write is refused, whatever language it is in, and the guard lets it go."""
    for mail in every_mail("es" if language == "es" else "en").values():
        assert mail.findings() == []
        assert guard(mail.to_bytes()) is None


@pytest.mark.parametrize("key", [key for key in WORDS if key.endswith(("subject", "preheader"))])
def test_no_sentence_of_ours_is_too_much_for_a_lock_screen(key: str) -> None:
    """Every subject and preheader passes the strictest look by itself."""
    for said in WORDS[key].values():
        assert lint("subject", said, lock_screen=True) == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Your therapy is tomorrow", "clinical_word"),
        ("Su terapia es mañana", "clinical_word"),
        ("Su cita de PSICOLOGÍA", "clinical_word"),
        ("about your depression", "clinical_word"),
        ("ansiedad", "clinical_word"),
        ("our mental\u00a0 health team", "clinical_word"),
        ("ther\u00adapy, hidden from the eye", "clinical_word"),
        ("Bring your lab results", "clinical_word"),
        ("your first session", "kind_of_visit"),
        ("su sesión de pareja", "kind_of_visit"),
        ("Bring your Sertraline", "medicine"),
        ("Traiga la fluoxetina", "medicine"),
        ("You will see Dr. Imani Okafor", "title"),
        ("with Imani Okafor, LCSW", "title"),
        ("born 04/12/1987", "numeric_date"),
        ("1987-04-12", "numeric_date"),
        ("078-05-1120", "identity_number"),
        ("plan XYZ123456789", "identity_number"),
        ("call 555-867-5309", "telephone"),
        ("llame al (555) 867 5309", "telephone"),
    ],
)
def test_what_gives_somebody_away_is_found(text: str, rule: str) -> None:
    """Each is refused inside a mail, and outside as well, with a cure."""
    assert _rules(text) == [rule]
    assert rule in _rules(text, lock_screen=True)
    assert len(CURES[lint("text", text, lock_screen=False)[0].rule]) > 20


@pytest.mark.parametrize(
    "text",
    [
        "Tuesday, November 24, 2026, 2:30 PM Central Time (CST)",
        "martes 24 de noviembre de 2026, 2:30 p. m., hora del Centro (CST)",
        "Lakeside Counseling, call +1 (555) 010-0199 or 555 010 0199",
        "$1,234.50, reference R-2026-0117",
        "Please park behind the house at 1200 Lakeshore Drive, Suite 300.",
        "Venga diez minutos antes; el autobús para enfrente.",
        "https://clinic.example/visit/078-05-1120/therapy or desk@lakeside-therapy.example",
        "Thank you for your patience.",
    ],
)
def test_what_is_harmless_passes(text: str) -> None:
    """Days in words, the practice's own name and telephone, links and everyday words may stand."""
    assert _rules(text) == []


def test_a_name_is_found_however_it_is_written() -> None:
    """The client's full name, with or without accents, or surname first; but not a single word."""
    names = ("José María Núñez", "May")
    for text in ("Hola, Jose Maria Nunez:", "NÚÑEZ, José María"):
        assert _rules(text, names=names) == ["name"]
    assert _rules("Wednesday, May 6", names=names) == []


def test_a_lock_screen_may_show_less() -> None:
    """The practice's own name and telephone, and words such as patient, only inside a mail."""
    assert _rules("Lakeside Counseling", lock_screen=True) == ["clinical_word"]
    assert _rules("call +1 (555) 010-0199", lock_screen=True) == ["telephone"]
    assert _rules("For our patients", lock_screen=True) == ["lock_screen_word"]
    assert _rules("For our patients") == []


@pytest.mark.parametrize(
    "phone", ["+1 555 0100", "(555) 010-0199", "555.010.0199", "+1 555 010 0199 ext. 12"]
)
def test_the_practices_telephone_may_be_written_in_any_way(phone: str) -> None:
    """However a practice writes its number, its own mails are not refused for it."""
    mail = appointment_mail("created", replace(FACTS, practice_phone=phone), TO, SENDER)
    assert mail.findings() == []


def test_a_receipts_reference_is_no_identity_number() -> None:
    """Whatever the payment's reference looks like, the client may read it on the receipt."""
    receipt = ReceiptFacts(12550, "usd", date(2026, 11, 24), "PI20261124001")
    letterhead = Letterhead("Lakeside Counseling", None, "en")
    assert receipt_mail(receipt, letterhead, TO, SENDER).findings() == []


def _mail(**changed: object) -> Mail:
    return replace(appointment_mail("created", FACTS, TO, SENDER), **changed)  # type: ignore[arg-type]


def test_every_place_of_a_mail_is_looked_at() -> None:
    """Subject, preheader, tag, file name, calendar entry, text and page: each names its place."""
    page = _mail().html
    file = _mail().attachments[0]
    entry = base64.b64decode(file.content).replace(b"SUMMARY:Appointment", b"SUMMARY:Ther\r\n apy")
    for changed, place in (
        ({"subject": "Your therapy"}, "subject"),
        ({"html": page.replace("When it is,", "Your therapy is,")}, "preheader"),
        ({"kind": "therapy_created"}, "tag"),
        ({"attachments": (replace(file, filename="therapy.ics"),)}, "file name"),
        ({"attachments": (replace(file, content=base64.b64encode(entry).decode()),)},
         "calendar entry"),
        ({"text": "Your therapy is booked"}, "text"),
        ({"html": page.replace("is booked", "for anxiety is booked")}, "page"),
    ):  # fmt: skip
        mail = _mail(**changed)
        assert [finding.place for finding in mail.findings()] == [place]
        refused = guard(mail.to_bytes())
        assert refused is not None
        assert (refused.kind, refused.code) == ("refused_locally", "phi")


def test_a_note_of_the_practice_is_looked_at_like_the_rest() -> None:
    """A note that names the client or a reason is found, once, though both parts show it."""
    facts = replace(FACTS, note="Testa Person, bring your medication list.")
    mail = appointment_mail("reminder", facts, TO, SENDER, must_not_say=("Testa Person",))
    assert [(f.place, f.rule) for f in mail.findings()] == [
        ("text", "clinical_word"),
        ("text", "name"),
    ]
    assert "Testa" not in repr(mail.findings())


def test_a_mail_is_not_searched_where_nobody_reads() -> None:
    """Styles, comments and the title's head are no text; the preheader is not the page."""
    page = '<head><title>T</title></head><div class="preheader" a>Hi &amp; bye</div><p>Yes</p>'
    assert visible(page).split() == ["Yes"]
    assert preheader(page) == "Hi & bye"
    assert preheader("<p>none</p>") == ""


def test_other_files_are_judged_by_name_alone() -> None:
    """Only a calendar file is opened."""
    file = Attachment("form.pdf", "application/pdf", "QUFB")
    assert _mail(attachments=(file,)).findings() == []
