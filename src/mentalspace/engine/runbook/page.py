"""Runbook pages: safe HTML for the console, plain text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from functools import cache
from html import escape

from markdown_it import MarkdownIt

from mentalspace.engine.runbook.issue import Check, CheckKind, Issue
from mentalspace.kernel.case import ErrorCase, Match, Step


def case_html(case: ErrorCase) -> str:
    """A case as one `<article>`; raw HTML and images in its prose are not rendered."""
    return _article("case", case.id, case.title, _facts(case), markdown_html(case.body))


def issue_html(issue: Issue) -> str:
    """An issue as one `<article>`, its queries shown as they run."""
    parts = [
        _section("Symptoms", _list(issue.symptoms)),
        _section("Diagnosis", "".join(map(_check_html, issue.diagnosis))),
        _section("Resolution", _list(issue.resolution, ordered=True)),
        _section("Prevention", _list(issue.prevention)),
        markdown_html(issue.body),
    ]
    facts = [("Reviewed", f"{issue.reviewed}, next {issue.next_review}"), ("Owner", issue.owner)]
    return _article("issue", issue.id, issue.title, facts, "".join(parts))


def markdown_html(text: str) -> str:
    """Markdown to HTML in which no tag, script, style or image of the text survives.

    Headings move down one level, under the page's own.
    """
    markdown = _markdown()
    tokens = markdown.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + 1)}"
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def to_text(case: ErrorCase) -> str:
    """A case for a terminal: the head's facts, then the prose as written."""
    facts = _facts(case)
    width = max(len(name) for name, _value in facts)
    head = [f"{name.ljust(width)}  {value}" for name, value in facts]
    body = "\n\n".join(_wrap(paragraph) for paragraph in case.body.split("\n\n"))
    return "\n".join([f"{case.id} · {case.title}", "", *head, "", body, ""])


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def _facts(case: ErrorCase) -> list[tuple[str, str]]:
    origin = " (changed by this deployment)" if case.overlaid else ""
    return [
        ("Severity", case.severity),
        ("What happens", case.disposition),
        ("Whose fault", case.fault),
        ("Matches", "; ".join(map(_match_text, case.match)) or "whatever no other case does"),
        ("Steps", "; ".join(map(_step_text, case.steps)) or "none"),
        ("Drill", f"{case.integration}/{case.drill}" if case.drill else "none"),
        ("Source", case.source),
        ("Version", f"{case.version}{origin}"),
        ("Owner", case.owner),
        ("Reviewed", f"{case.reviewed}, next {case.next_review}"),
    ]


def _match_text(match: Match) -> str:
    parts = [
        " or ".join(sorted(match.kind)),
        " or ".join(map(str, sorted(match.http))),
        " or ".join(sorted(match.code)),
        f"message like {match.message.pattern}" if match.message else "",
    ]
    return " · ".join(part for part in parts if part)


def _step_text(step: Step) -> str:
    params = ", ".join(f"{key}: {value}" for key, value in step.params.items())
    return f"{step.do} ({params})" if params else step.do


def _wrap(paragraph: str) -> str:
    plain = not paragraph.lstrip().startswith(("|", "-", "*", "#", "```", ">", "1."))
    return textwrap.fill(paragraph, 88) if plain else paragraph


def _article(
    kind: str, ident: str, title: str, facts: Iterable[tuple[str, str]], inner: str
) -> str:
    rows = "".join(f"<dt>{escape(n)}</dt><dd>{_value(v)}</dd>" for n, v in facts)
    return (
        f'<article class="runbook-{kind}"><header><h2>{escape(title)}</h2>'
        f"<p><code>{escape(ident)}</code></p></header><dl>{rows}</dl>{inner}</article>"
    )


def _value(text: str) -> str:
    safe = escape(text)
    return f'<a href="{safe}" rel="noreferrer">{safe}</a>' if text.startswith("https://") else safe


def _section(title: str, inner: str) -> str:
    return f"<section><h3>{title}</h3>{inner}</section>"


def _list(items: Iterable[str], *, ordered: bool = False) -> str:
    tag = "ol" if ordered else "ul"
    return f"<{tag}>{''.join(f'<li>{escape(item)}</li>' for item in items)}</{tag}>"


def _check_html(check: Check) -> str:
    if check.kind is CheckKind.SQL:
        return f"<p>{escape(check.title)}</p><pre><code>{escape(check.run)}</code></pre>"
    return f"<p>{escape(check.title)}: check <code>{escape(check.run)}</code></p>"
