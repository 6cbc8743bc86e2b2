"""A chain of records: what was done to it afterwards is found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mentalspace.kernel.chain import (
    FIRST,
    Entry,
    canonical,
    differences,
    flaws,
    from_public,
    hash_of,
)

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
_RECORDS = st.lists(st.dictionaries(st.text(), _VALUES, max_size=3), min_size=2, max_size=6)


def chain_of(records: list[dict[str, object]]) -> list[Entry]:
    found: list[Entry] = []
    before = FIRST
    for seq, record in enumerate(records, 1):
        body = canonical(record)
        before_hash, before = before, hash_of(seq, "drill", before, body)
        found.append(Entry(seq, "drill", body, before_hash, before))
    return found


@given(_RECORDS)
def test_a_whole_chain_holds_and_survives_its_report(records: list[dict[str, object]]) -> None:
    """Written into a report and read back, every entry is the same, and nothing is wrong."""
    chain = chain_of(records)
    assert flaws(chain) == []
    assert [from_public(entry.public()) for entry in chain] == chain


@given(_RECORDS, st.data())
def test_a_changed_entry_is_named(records: list[dict[str, object]], data: st.DataObject) -> None:
    """Whichever entry's record is changed, it is that one that does not hold."""
    chain = chain_of(records)
    place = data.draw(st.integers(0, len(chain) - 1))
    changed = canonical({**records[place], "added": "afterwards"})
    chain[place] = replace(chain[place], body=changed)
    assert [flaw.seq for flaw in flaws(chain)] == [place + 1]


@pytest.mark.parametrize("place", [1, 2])
def test_a_missing_entry_is_noticed_by_the_next(place: int) -> None:
    """What was taken out is missed where it stood; what was cut off at the end only by the head."""
    chain = chain_of([{"n": n} for n in range(4)])
    del chain[place]
    assert [flaw.seq for flaw in flaws(chain)] == [place + 2]


def test_one_that_was_hashed_anew_breaks_the_next() -> None:
    """Who changes an entry and its hash has to change every later one as well."""
    chain = chain_of([{"n": n} for n in range(3)])
    body = canonical({"n": 7})
    chain[1] = Entry(
        2, "drill", body, chain[1].previous, hash_of(2, "drill", chain[1].previous, body)
    )
    [flaw] = flaws(chain)
    assert (flaw.seq, "replaced" in flaw.text) == (3, True)


def test_differences_name_their_path() -> None:
    """Where two records differ is said down to the field."""
    one = {"passed": True, "seen": {"cases": ["a", "b"]}}
    other = {"passed": False, "seen": {"cases": ["a", "c"]}}
    assert list(differences(one, other)) == [
        ("passed", True, False),
        ("seen.cases[1]", "b", "c"),
    ]
