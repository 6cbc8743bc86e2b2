"""What the failing ones share: Fisher's test, and what is said of it."""

from __future__ import annotations

from math import comb

import pytest

from mentalspace.console.in_common import QUESTIONS, Answer, Answers, compare
from mentalspace.engine.chance import share_tail

_USUAL: Answers = {name: Answer(f"are usual by {name}") for name in QUESTIONS}


def _tries(number: int, **answers: str | None) -> list[Answers]:
    given = {name: Answer(says) if says else None for name, says in answers.items()}
    return [{**_USUAL, **given} for _ in range(number)]


def test_the_lady_tasting_tea() -> None:
    """Fisher's own: all four of eight cups, 1 in 70; three of them, 17 in 70."""
    assert share_tail(4, 4, 4, 8) == pytest.approx(1 / 70)
    assert share_tail(3, 4, 4, 8) == pytest.approx(17 / 70)
    assert share_tail(0, 4, 4, 8) == 1.0
    assert share_tail(5, 4, 4, 8) == 0.0


@pytest.mark.parametrize(
    ("drawn", "marked", "n"), [(5, 7, 12), (14, 26, 74), (3, 60, 61), (9, 9, 9)]
)
def test_the_tail_is_that_of_all_ways_to_draw(drawn: int, marked: int, n: int) -> None:
    """Above and below the mean it is what counting them out gives; large ones do not overflow."""
    for hits in range(drawn + 2):
        exact = sum(
            comb(marked, k) * comb(n - marked, drawn - k)
            for k in range(hits, min(drawn, marked) + 1)
            if drawn - k <= n - marked
        )
        assert share_tail(hits, drawn, marked, n) == pytest.approx(exact / comb(n, drawn))
    assert share_tail(1000, 1000, 1000, 100_000) < 1e-300
    assert share_tail(500, 1000, 50_000, 100_000) == pytest.approx(0.51, abs=0.01)


def test_what_all_of_them_share_is_said_with_both_counts() -> None:
    """All fourteen are reminders, of sixty good ones twelve are."""
    found = compare(
        _tries(14, kind="are reminders"),
        _tries(12, kind="are reminders") + _tries(48, kind="are receipts"),
    )
    assert found.sentences == [
        "All 14 that failed are reminders; of 60 that went through meanwhile, 12"
    ]
    assert found.compared is not None
    assert found.compared.startswith(
        "14 that failed beside 60 that went through meanwhile, by kind"
    )


def test_a_part_that_stands_out_is_said_as_a_part() -> None:
    """Half of what fails is one worker's, and nothing good is."""
    found = compare(
        _tries(10, worker="were sent by worker 2 on b") + _tries(10), _tries(60), _tries(500)
    )
    assert found.sentences == [
        "10 of the 20 that failed were sent by worker 2 on b;"
        " of 60 that went through meanwhile, none"
    ]


def test_what_splits_them_alike_is_one_sentence() -> None:
    """The kind that goes in one lane alone is told with it; a worker is told with its host."""
    bad = {"kind": "are reminders", "lane": "are in bulk", "worker": "left by w", "host": "left h"}
    found = compare(_tries(14, **bad), _tries(60))
    assert found.sentences == [
        "All 14 that failed are reminders, in bulk and left by w;"
        " of 60 that went through meanwhile, none"
    ]


def test_whoever_fails_alike_is_told_what_was_compared() -> None:
    """One in two of everything: nothing is said of any, and each question is named."""
    half = _tries(10, kind="are reminders") + _tries(10, kind="are receipts")
    assert compare(half, half * 3).sentences == ["Nothing: they fail alike by kind of message"]


def test_nothing_that_could_differ_is_said() -> None:
    """Of one kind, one practice and one worker there is nothing to tell apart."""
    said = compare(_tries(20), _tries(60)).sentences
    assert said[0].startswith("Nothing tells them apart: all are of the same kind of message, ")
    bad = [one for n in range(20) for one in _tries(1, person=f"are for {n}")]
    assert "recipient" not in compare(bad, _tries(60)).sentences[0], "each has another"


@pytest.mark.parametrize(("failed", "good"), [(2, 500), (4, 4), (60, 1)])
def test_too_few_are_not_told_of(failed: int, good: int) -> None:
    """The clearest split there can be would be chance once in a hundred looks."""
    found = compare(_tries(failed, kind="are reminders"), _tries(good))
    assert found.sentences == [f"Too few to tell: {failed} failed, {good} went through meanwhile"]


def test_many_answers_make_it_harder_to_stand_out() -> None:
    """Five of one among fifty different ones may be chance where five of one of two is none."""
    bad = _tries(5, practice="are of Oak") + _tries(15, practice="are of Elm")
    few = compare(bad, _tries(60, practice="are of Elm"))
    many = compare(
        bad, [one for n in range(60) for one in _tries(1, practice=f"are of practice {n}")]
    )
    assert "5 of the 20 that failed are of Oak" in few.sentences[0]
    assert not [said for said in many.sentences if "Oak" in said]


def test_where_all_fail_the_day_before_tells_of_workers_alone() -> None:
    """At night other kinds are sent than by day: no cause; another worker may be one."""
    night = {"kind": "are reminders", "worker": "were sent by worker 2 on b"}
    assert compare(_tries(14, **night), [], _tries(80)).sentences == [
        "All 14 failed that were tried meanwhile",
        "All 14 that failed were sent by worker 2 on b; of 80 that went through the day before,"
        " none",
    ]


def test_that_a_retry_went_through_is_no_cause() -> None:
    """A first try has no answer to whether it was tried before; all retries failing has one."""
    again = "had been tried before"
    firsts = compare(_tries(20, again=None), _tries(60, again=again))
    assert firsts.sentences[0].startswith("Nothing tells them apart: ")
    assert again in compare(_tries(20, again=again), _tries(60, again=None)).sentences[0]
