"""An error case out of its file, alone or changed by a deployment's overlay."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args

from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.read import Source, Table
from mentalspace.kernel.case import Disposition, ErrorCase, Fault, Match, Severity, Step
from mentalspace.kernel.errors import EvidenceKind

KINDS = frozenset(get_args(EvidenceKind))
_LONGEST_PATTERN = 200
_LONGEST_WAIT_S = 30 * 86_400.0
_NESTED_REPEAT = re.compile(r"\((?:[^()\\]|\\.)*[*+}](?:[^()\\]|\\.)*\)[*+{]")
_BACKREFERENCE = re.compile(r"\\[1-9]|\(\?P=")


def parse_case(
    head: Mapping[str, object],
    source: Source,
    body: str,
    *,
    integration: str,
    provider: str | None,
    overlaid: bool,
    problems: list[Problem],
) -> ErrorCase | None:
    """The case, or None once its mistakes are in `problems`."""
    before = len(problems)
    table = Table(head, source, problems)
    case = ErrorCase(
        id=table.text("id"),
        title=table.text("title"),
        match=tuple(_match(inner) for inner in table.tables("match")),
        severity=table.one_of("severity", Severity),
        disposition=table.one_of("disposition", Disposition),
        wait_s=_wait_s(table),
        fault=table.one_of("fault", Fault),
        steps=tuple(_step(inner) for inner in table.tables("steps")),
        drill=table.maybe_text("drill"),
        source=table.text("source", ""),
        version=table.whole("version"),
        owner=table.text("owner"),
        reviewed=table.day("reviewed"),
        next_review=table.day("next_review"),
        body=body,
        path=source.path,
        integration=integration,
        provider=provider,
        overlaid=overlaid,
        now=table.maybe_text("now"),
        press=table.maybe_text("press"),
    )
    table.done()
    return case if len(problems) == before else None


def _wait_s(table: Table) -> float | None:
    wait_s = table.maybe_number("wait_s")
    if wait_s is not None and not 0 < wait_s <= _LONGEST_WAIT_S:
        table.problem("wait_s", "no lane pauses for so long", "give seconds, up to 30 days")
    return wait_s


def _match(table: Table) -> Match:
    kinds = frozenset(table.texts("kind"))
    for kind in sorted(kinds - KINDS):
        table.problem("kind", f"no evidence has kind {kind!r}", f"use {', '.join(sorted(KINDS))}")
    http, reply = frozenset(table.wholes("http")), frozenset(table.wholes("reply"))
    for status in sorted(http | reply):
        if not 100 <= status <= 599:
            table.problem("http", f"{status} is no HTTP status", "use 100 to 599")
    if reply and (http or kinds):
        table.problem("reply", "a reply has neither a kind nor a status", "keep one of them")
    match = Match(
        kind=kinds or frozenset({"reply"} if reply else ()),
        http=http | reply,
        code=frozenset(table.texts("code")),
        message=_pattern(table),
    )
    if not match.specificity:
        cure = "give kind, http, code or message, or reply"
        table.problem("match", "a match without a field", cure)
    table.done()
    return match


def _pattern(table: Table) -> re.Pattern[str] | None:
    """A provider's prose is matched in every worker, so a pattern must not run away."""
    text = table.maybe_text("message")
    if text is None:
        return None
    if len(text) > _LONGEST_PATTERN:
        table.problem("message", "the pattern is too long", f"keep it to {_LONGEST_PATTERN}")
    elif _NESTED_REPEAT.search(text) or _BACKREFERENCE.search(text):
        table.problem(
            "message",
            "the pattern may take forever",
            "write it without a repeat inside a repeat and without back-references",
        )
    else:
        try:
            return re.compile(text)
        except re.error as error:
            table.problem("message", f"not a regular expression: {error}", "escape it, or fix it")
    return None


def _step(table: Table) -> Step:
    do = table.text("do")
    params = table.rest()
    for key, value in params.items():
        if not isinstance(value, str):
            table.problem(key, f"step parameter {key!r} is {value!r}", "put it in quotes")
    return Step(do, {key: str(value) for key, value in params.items()})
