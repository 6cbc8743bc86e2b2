"""One document in three ways of writing: nothing gets lost, and nothing breaks out."""

from __future__ import annotations

import base64
import re
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mentalspace.engine.document import (
    Bar,
    Bars,
    Blank,
    Code,
    Document,
    Entry,
    Facts,
    Heading,
    Items,
    NewPage,
    Paragraph,
    Table,
    Timeline,
    to_html,
    to_markdown,
    to_pdf,
)

NASTY = "| *a* <b>x</b> [y](z) `c` & 1. # ~~s~~ \\|"
ALL = Document(
    "Mails <late>",
    "Written at noon",
    (
        Heading("What happened"),
        Paragraph(NASTY),
        Items(("# one", "2. two")),
        Facts((("Whose", "Theirs"),)),
        Table("Rows", ("code", "n"), (("a|b", "1"), (NASTY, "2"))),
        Code("select '```' as fence\nfrom x"),
        Timeline((Entry("07:12", "Opened", "evaluator"),)),
        Bars("By outcome", (Bar("sent", 0.75, "3 messages"), Bar("held", 0, "none"))),
        Blank("Why it could happen"),
    ),
)
_SAFE = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)


def read(markdown: str) -> str:
    """What a reader of the rendered Markdown sees, in one line."""
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)
    text = re.sub(r"<[^>]+>", " ", html)
    for code, mark in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(code, mark)
    return " ".join(text.split())


def drawn(pdf: bytes) -> str:
    """The text a PDF of ours draws, in its order and without spaces: it breaks where it likes."""
    texts = []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.S):
        try:
            raw = zlib.decompress(base64.a85decode(stream.strip().removesuffix(b"~>")))
        except (ValueError, zlib.error):
            continue
        texts += [_unescaped(t) for t in re.findall(rb"\(((?:\\.|[^()\\])*)\) Tj", raw)]
    return "".join("".join(texts).split())


def _unescaped(text: bytes) -> str:
    octal = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found.group(1), 8)]), text)
    return re.sub(rb"\\(.)", rb"\1", octal).decode("cp1252")


def test_markdown_shows_every_text_as_it_is() -> None:
    """Marks of the language are shown, tables keep their cells, and code its fence."""
    seen = read(to_markdown(ALL))
    for text in ("Mails <late>", NASTY, "# one", "2. two", "Whose: Theirs", "a|b", "3 messages"):
        assert text in seen
    assert "select '```' as fence from x" in seen
    assert "Why it could happen" in seen


@settings(max_examples=150, deadline=None)
@given(st.lists(_SAFE, min_size=1, max_size=4))
def test_no_text_changes_what_the_markdown_is(words: list[str]) -> None:
    """Whatever a sentence, an item or a cell holds, it is read back and nothing else is there."""
    text = " ".join(words)
    document = Document(
        "T", "m", (Paragraph(text), Items((text,)), Table("c", (text,), ((text,),)))
    )
    assert read(to_markdown(document)) == " ".join(["T", "m", *[text] * 2, "c", *[text] * 2])


def test_html_holds_text_and_no_tags_of_others() -> None:
    """A text's tags are shown and do nothing; there is no style and no script for a policy to
    refuse."""
    html = str(to_html(ALL))
    assert "&lt;b&gt;x&lt;/b&gt;" in html
    assert "<b>x" not in html
    assert not re.search(r"\sstyle=|<script|\son\w+=", html)
    assert '<meter min="0" max="1" value="0.750">3 messages</meter>' in html


def test_pdf_draws_every_text() -> None:
    """What is written stands in the PDF; written twice, it is the same file."""
    pdf = to_pdf(ALL)
    assert pdf.startswith(b"%PDF-")
    seen = drawn(pdf)
    for text in (
        "Mails <late>",
        NASTY,
        "Whose",
        "Theirs",
        "a|b",
        "select '```' as fence",
        "Opened",
    ):
        assert text.replace(" ", "") in seen, text
    assert "writtenotherwise" not in seen
    assert pdf == to_pdf(ALL)


def test_pdf_tells_of_letters_it_does_not_have() -> None:
    """Marks that mean the same are written plainly; a letter outside the fonts is written without
    its marks or as its code, and the last line says how many."""
    text = "Łódź → naïve – “€5” 中 \u202f≥ 👍"
    seen = drawn(to_pdf(Document("T", "m", (Paragraph(text), Code(text)))))
    assert seen.count("[U+0141]ódz->naïve–“€5”[U+4E2D]>=[U+1F44D]") == 2
    assert "8lettersarenotinthefontsofthisPDF" in seen


def test_pdf_lays_out_what_is_too_long_for_a_page() -> None:
    """Long words, long rows and many of them break over pages instead of failing."""
    rows = tuple((str(n), "x" * 400, "word " * 900) for n in range(30))
    pdf = to_pdf(Document("T", "m", (Table("Rows", ("n", "long", "longer"), rows),)))
    assert len(re.findall(rb"/Type /Page\b", pdf)) > 10


def test_a_new_page_begins_where_the_document_says() -> None:
    """In the PDF; the others only draw a line."""
    blocks = (Paragraph("one"), NewPage(), Paragraph("two"))
    whole = Document("T", "m", blocks)
    assert to_pdf(whole).count(b"/Type /Page\n") == 2
    assert to_pdf(Document("T", "m", (blocks[0], blocks[2]))).count(b"/Type /Page\n") == 1
    assert "\n---\n" in to_markdown(whole)
    assert "<hr>" in to_html(whole)
