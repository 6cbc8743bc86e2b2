"""The mails themselves: whole in either part, in both languages, needing nothing from outside."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from string import Formatter

import pytest

from mentalspace.integrations.email.model import Mail
from mentalspace.integrations.email.render import appointment_mail
from mentalspace.integrations.email.tests.samples import FACTS, SENDER, TO, every_mail
from mentalspace.integrations.email.words import LANGUAGES, WORDS
from mentalspace.practice.saying.facts import Language, language_of

ALL = [(language, mail) for language in LANGUAGES for mail in every_mail(language).values()]
each_mail = pytest.mark.parametrize(
    ("language", "mail"), ALL, ids=[f"{mail.kind}-{language}" for language, mail in ALL]
)


class _Page(HTMLParser):
    """What a page shows, what it links to, and what it would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.tables: list[str | None] = []
        self.language: str | None = None
        self._hidden = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("style", "title") or values.get("class") == "preheader":
            self._hidden = tag
        if tag == "html":
            self.language = values.get("lang")
        if tag == "table":
            self.tables.append(values.get("role"))
        if tag == "a":
            self.links.append(values.get("href") or "")
        self.loads += [values[name] or "" for name in ("src", "background") if name in values]
        self.loads += ["link"] if tag in ("link", "img", "script", "iframe") else []

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden:
            self._hidden = ""

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.shown.append(" ".join(data.split()))


@each_mail
def test_text_and_html_say_the_same(language: Language, mail: Mail) -> None:
    """Whoever sees only one part misses nothing: every line and link of the HTML is in the text."""
    page, text = _Page(mail.html), " ".join(mail.text.split())
    assert [line for line in page.shown if line.rstrip(":") not in text
            and not line.startswith(("If the button", "Si el bot"))] == []  # fmt: skip
    assert [link for link in page.links if link not in mail.text] == []


@each_mail
def test_html_stands_alone(language: Language, mail: Mail) -> None:
    """A mail loads nothing, says its language, and its tables are no tables to a screen reader."""
    page = _Page(mail.html)
    assert page.loads == []
    assert not re.search(r"url\(|@import", mail.html)
    assert page.language == language
    assert set(page.tables) == {"presentation"}
    assert f"<title>{mail.subject}</title>" in mail.html
    assert mail.html.count("<h1") == 1
    assert len(mail.html) < 100_000, "Gmail would clip it"


@each_mail
def test_a_lock_screen_learns_little(language: Language, mail: Mail) -> None:
    """Subject and preheader name neither the practice nor a person, nor a time of day."""
    preheader = re.search(r'class="preheader"[^>]*>([^<&]*)', mail.html)
    assert preheader and preheader[1]
    for said in (mail.subject, preheader[1]):
        assert "Lakeside" not in said
        assert "@" not in said
        assert not re.search(r"\d:\d\d|\d{3}", said)


@pytest.mark.parametrize("key", WORDS)
def test_every_sentence_is_in_every_language(key: str) -> None:
    """No language lacks a sentence, nor a value that another's has."""
    fields = set()
    for language in LANGUAGES:
        said = WORDS[key][language]
        assert said.strip()
        fields.add(frozenset(name for _, name, _, _ in Formatter().parse(said) if name))
    assert len(fields) == 1
    if key != "minutes":
        assert len({WORDS[key][language] for language in LANGUAGES}) == len(LANGUAGES)


def test_the_answers_are_links_only_where_there_are_some() -> None:
    """Confirm and cancel stand in both parts; without links nothing promises any."""
    with_links = appointment_mail("reminder", FACTS, TO, SENDER)
    assert "I will come:\nhttps://clinic.example/c\n" in with_links.text
    without = appointment_mail("reminder", replace(FACTS, links=None), TO, SENDER)
    assert "clinic.example" not in without.text + without.html
    assert "asks once more" not in without.text
    cancelled = appointment_mail("cancelled", FACTS, TO, SENDER)
    assert "clinic.example" not in cancelled.text + cancelled.html


def test_what_a_practice_is_called_cannot_break_a_mail() -> None:
    """A name or note with markup in it is shown as written, in HTML as in text."""
    odd = replace(FACTS, practice_name="A <b>& Sons", note="<script>1</script>")
    mail = appointment_mail("created", odd, TO, SENDER)
    assert "A <b>& Sons" in mail.text
    assert "A &lt;b&gt;&amp; Sons" in mail.html
    assert "<script>" not in mail.html


@pytest.mark.parametrize(
    ("code", "language"),
    [("es", "es"), ("es-MX", "es"), ("ES_us", "es"), ("en", "en"), ("vi", "en"), (None, "en")],
)
def test_the_nearest_language_is_taken(code: str | None, language: Language) -> None:
    """A client's language decides by its first part; one we do not write is answered in English."""
    assert language_of(code) == language
