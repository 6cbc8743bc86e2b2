"""What those that failed have in common and those that went through have not, if that is more than
chance."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb

from mentalspace.engine.chance import share_tail
from mentalspace.workflows.doctor.lately import is_part

# What is asked of each try, and its name in a list.
QUESTIONS: Mapping[str, str] = {
    "kind":     "kind of message",
    "practice": "practice",
    "provider": "provider",
    "lane":     "lane",
    "worker":   "worker",
    "host":     "host",
    "batch":    "batch or alone",
    "again":    "first try or retry",
    "person":   "recipient",
}  # fmt: skip
# What is sent at night is another kind than by day, and for others; who sends it is not.
_OF_NO_HOUR = ("worker", "host")
# One false word in a hundred looks, over all that is asked.
ALPHA = 0.01
# A part of what failed is told that stands out by so much; what all share is told in any case.
_STANDS_OUT = 0.25
_MOST = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """`says` ends a sentence: "are of Oak Street". `key` tells apart what is said alike."""

    says: str
    key: str = ""


# What a try answers to each question; None is an answer that says nothing of a cause.
Answers = Mapping[str, Answer | None]


@dataclass(frozen=True, slots=True)
class Share:
    """`part` of all that failed, and `good_part` of all that went through, are so, by one question
    or by several that split them alike; `of` are these tries."""

    question: str
    says: str
    part: int
    good_part: int
    chance: float
    of: frozenset[tuple[bool, int]]


@dataclass(frozen=True, slots=True)
class InCommon:
    """`failed` are compared with `good`, which went through between the first and the last of them.
    `shares` are more than chance, the most striking first; `asked` are the questions that had
    different answers, `alike` those that had one and the same for all. Where the good ones are too
    few to tell, `then` are shares beside `good_then` of the day before."""

    failed: int
    good: int
    shares: Sequence[Share] = ()
    asked: Sequence[str] = ()
    alike: Sequence[str] = ()
    too_few: bool = False
    then: Sequence[Share] = ()
    good_then: int = 0

    @property
    def sentences(self) -> list[str]:
        """In plain words with counts, without a full stop."""
        then = [self._said(one, self.good_then, "the day before") for one in self.then]
        if not self.good and is_part(self.failed, self.failed):
            return [f"All {self.failed:,} failed that were tried meanwhile", *then]
        if self.too_few:
            good = f"{self.good:,}" if self.good else "none"
            return [
                f"Too few to tell: {self.failed:,} failed, {good} went through meanwhile",
                *then,
            ]
        if self.shares:
            return [self._said(one, self.good, "meanwhile") for one in self.shares]
        if not self.asked:
            same = f": all are of the same {_listed(self.alike)}" if self.alike else ""
            return [f"Nothing tells them apart{same}"]
        return [f"Nothing: they fail alike by {_listed(self.asked)}"]

    @property
    def compared(self) -> str | None:
        """What the sentences rest on, without a full stop."""
        if not self.good or self.too_few:
            return None
        said = f"{self.failed:,} that failed beside {self.good:,} that went through meanwhile"
        if self.asked and self.shares:
            said += f", by {_listed(self.asked)}"
        if self.asked and self.alike:
            said += f"; the same for all: {_listed(self.alike)}"
        return said

    def _said(self, share: Share, good: int, since: str) -> str:
        whole = share.part == self.failed
        of = f"All {self.failed:,}" if whole else f"{share.part:,} of the {self.failed:,}"
        part = f"{share.good_part:,}" if share.good_part else "none"
        return f"{of} that failed {share.says}; of {good:,} that went through {since}, {part}"


def compare(
    failed: Sequence[Answers], good: Sequence[Answers], before: Sequence[Answers] = ()
) -> InCommon:
    """With the `good` ones that went through meanwhile. What befalls all at once leaves none of
    these; then those of the day `before` may tell, of what no hour of the day changes."""
    asked, alike = _split(QUESTIONS, failed, good)
    names = [QUESTIONS[name] for name in alike]
    told = [QUESTIONS[name] for name in asked if _may_stand_out(name, failed)]
    if good and not _too_few(len(failed), len(good), len(asked)):
        return InCommon(len(failed), len(good), _found(asked, failed, good), told, names)
    asked, _alike = _split(_OF_NO_HOUR, failed, before)
    then = () if _too_few(len(failed), len(before), len(asked)) else _found(asked, failed, before)
    return InCommon(len(failed), len(good), (), told, names, True, then, len(before))


def _split(
    names: Iterable[str], failed: Sequence[Answers], good: Sequence[Answers]
) -> tuple[list[str], list[str]]:
    """The questions that have more than one answer, and those that have one."""
    values = {name: {one[name] for one in (*failed, *good)} for name in names}
    asked = [name for name, given in values.items() if len(given) > 1]
    return asked, [n for n, given in values.items() if len(given) == 1 and given != {None}]


def _may_stand_out(name: str, failed: Sequence[Answers]) -> bool:
    """Whether any answer is that of more than a few: each recipient's own is told of nobody."""
    given = Counter(one[name] for one in failed if one[name] is not None)
    return any(is_part(part, len(failed)) for part in given.values())


def _found(
    asked: Sequence[str], failed: Sequence[Answers], good: Sequence[Answers]
) -> Sequence[Share]:
    """Whoever asks often is told something by chance: each answer to each question counts."""
    found: list[Share] = []
    for name in asked:
        limit = ALPHA / len(asked) / len({one[name] for one in (*failed, *good)})
        found += [one for one in _shares(name, failed, good) if one.chance < limit]
    return _joined(found)[:_MOST]


def _too_few(failed: int, good: int, asked: int) -> bool:
    """Whether not even the clearest split there can be would be more than chance."""
    return not is_part(failed, failed) or comb(failed + good, failed) < 2 * max(asked, 1) / ALPHA


def _shares(name: str, failed: Sequence[Answers], good: Sequence[Answers]) -> list[Share]:
    """Of each answer to one question that stands out among those that failed."""
    members: dict[Answer, set[tuple[bool, int]]] = defaultdict(set)
    for is_good, tries in ((False, failed), (True, good)):
        for number, one in enumerate(tries):
            if (answer := one[name]) is not None:
                members[answer].add((is_good, number))
    n, found = len(failed) + len(good), []
    for answer, of in members.items():
        good_part = sum(is_good for is_good, _number in of)
        part = len(of) - good_part
        ahead = part / len(failed) - good_part / len(good)
        if not is_part(part, len(failed)) or (ahead < _STANDS_OUT and part < len(failed)):
            continue
        chance = share_tail(part, len(failed), len(of), n)
        found.append(Share(name, answer.says, part, good_part, chance, frozenset(of)))
    return found


def _joined(found: Sequence[Share]) -> list[Share]:
    """What is true of the very same tries is one; the most striking first."""
    by: dict[frozenset[tuple[bool, int]], list[Share]] = defaultdict(list)
    for one in found:
        by[one.of].append(one)
    joined = [replace(same[0], says=_and(same)) for same in by.values()]
    return sorted(joined, key=lambda one: one.chance)


def _and(same: Sequence[Share]) -> str:
    """The verb once: "are of Oak Street and of the kind “Reminder”". A worker is told with its
    host."""
    has_worker = any(one.question == "worker" for one in same)
    said = [one.says for one in same if not (has_worker and one.question == "host")]
    verb = said[0].split()[0] + " "
    return _listed([said[0], *(each.removeprefix(verb) for each in said[1:])])


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
