"""Classification: which case an answer belongs to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from random import Random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mentalspace.kernel.case import Disposition, ErrorCase, Fault, Match, Severity, classify
from mentalspace.kernel.errors import Evidence, EvidenceKind
from mentalspace.kernel.phi import Phi

FIELDS = ("kind", "http", "code", "message")


def case(name: str, *match: Match) -> ErrorCase:
    return ErrorCase(
        id=f"fax.{name}",
        title=name,
        match=match,
        severity=Severity.LOW,
        disposition=Disposition.RETRY,
        fault=Fault.THEIRS,
        steps=(),
        drill=None,
        source="own: test",
        version=1,
        owner="nobody",
        reviewed=date(2026, 1, 1),
        next_review=date(2026, 4, 1),
        body="",
        path=Path("none.md"),
        integration="fax",
        provider="acme",
    )


def matching(evidence: Evidence, fields: Sequence[str]) -> Match:
    """A match over these fields that accepts the evidence."""
    text = evidence.message.reveal() if evidence.message else ""
    return Match(
        kind=frozenset({evidence.kind}) if "kind" in fields else frozenset(),
        http=frozenset({evidence.http or 0, 999}) if "http" in fields else frozenset(),
        code=frozenset({evidence.code or ""}) if "code" in fields else frozenset(),
        message=re.compile(re.escape(text)) if "message" in fields else None,
    )


evidences = st.builds(
    Evidence,
    kind=st.sampled_from(get_args(EvidenceKind)),
    http=st.integers(100, 599),
    code=st.text("abc_", min_size=1, max_size=5),
    message=st.text("xyz .", min_size=1, max_size=9).map(Phi),
)
field_sets = st.lists(
    st.sets(st.sampled_from(FIELDS), min_size=1).map(frozenset), min_size=1, max_size=6, unique=True
)


@given(evidences, field_sets, st.integers())
def test_the_most_specific_wins_in_any_order(
    evidence: Evidence, sets: list[frozenset[str]], seed: int
) -> None:
    """Of the cases that accept an answer the narrowest is chosen, however they are ordered."""
    weight = {"message": 8, "code": 4, "http": 2, "kind": 1}
    narrowest = max(sets, key=lambda fields: sum(weight[f] for f in fields))
    cases = [case("_".join(sorted(s)), matching(evidence, tuple(s))) for s in sets]
    cases.append(case("stranger", Match(http=frozenset({98}), code=frozenset({"never"}))))
    cases.append(case("unmatched"))
    Random(seed).shuffle(cases)
    assert classify(cases, evidence).id == "fax." + "_".join(sorted(narrowest))


@given(evidences)
def test_what_nothing_matches_is_the_unmatched_case(evidence: Evidence) -> None:
    """An answer that no pattern accepts belongs to the case without a pattern."""
    cases = [case("unmatched"), case("other", Match(http=frozenset({99})))]
    assert classify(cases, evidence).id == "fax.unmatched"


def test_a_room_without_the_unmatched_case_says_so() -> None:
    """Without an unmatched case an unknown answer names the command that finds the mistake."""
    with pytest.raises(LookupError, match="runbook check"):
        classify([case("other", Match(http=frozenset({500})))], Evidence("timeout"))


def test_every_given_field_must_hold() -> None:
    """A pattern with a status and a message refuses the right status with other words."""
    match = Match(http=frozenset({400}), message=re.compile("(?i)key is invalid"))
    assert match.accepts(Evidence("http", http=400, message=Phi("API key is invalid")))
    assert not match.accepts(Evidence("http", http=400, message=Phi("subject is empty")))
    assert not match.accepts(Evidence("http", http=400))
    assert not match.accepts(Evidence("http", http=422, message=Phi("API key is invalid")))


def test_a_review_is_overdue_the_day_after() -> None:
    """On the day of the next review a case is still in order; the day after it is not."""
    assert not case("a").review_overdue(date(2026, 4, 1))
    assert case("a").review_overdue(date(2026, 4, 2))
