"""What came of an exercise: the truth of each fault beside what somebody wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.exercise.answer import PARTS, Answer
from tests.exercise.calm import Calm
from tests.exercise.fault import Fault


@dataclass(frozen=True, slots=True)
class Round:
    """One fault, from when it was laid until it was quiet again.

    `called_after_s` is None for one that was void: it touched nobody, so nobody was called.
    `answer` is None of whoever was called and wrote nothing in time, `took_s` how long they took
    by the director's clock. `opened` are the titles of what opened meanwhile.
    """

    number: int
    fault: Fault
    called_after_s: float | None = None
    by_incident: bool = False
    opened: tuple[str, ...] = ()
    answer: Answer | None = None
    took_s: float = 0.0
    calm: Calm | None = None


def as_table(rounds: Sequence[Round], seed: int) -> str:
    """Markdown: a row for each call, then what is worth knowing besides."""
    called = [one for one in rounds if one.called_after_s is not None]
    lines = [
        f"# Three minutes: {len(called)} called, seed {seed}",
        "",
        "| | The truth | Their cause | Their impact | Their action | Sure | s |",
        "|---|---|---|---|---|---|---|",
        *(_row(one) for one in called),
        "",
        _counted(called),
        "",
        *(f"- {line}" for one in rounds for line in _besides(one)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _row(one: Round) -> str:
    truth = one.fault.truth
    told = f"**{one.fault.name}** {truth.cause}. *Touched:* {truth.touched}. *Do:* {truth.action}."
    answer = one.answer
    if answer is None:
        return f"| {one.number} | {_cell(told)} | no answer | | | | {one.took_s:.0f} |"
    sure = ", ".join(answer.sure[part] for part in PARTS)
    seconds = one.took_s if answer.seconds is None else answer.seconds
    cells = (told, answer.cause, answer.impact, answer.action, sure, f"{seconds:.0f}")
    return f"| {one.number} | " + " | ".join(map(_cell, cells)) + " |"


def _counted(called: Sequence[Round]) -> str:
    answers = [one.answer for one in called if one.answer is not None]
    clear = {part: sum(answer.sure[part] == "clear" for answer in answers) for part in PARTS}
    told = ", ".join(f"{part} clear in {count}" for part, count in clear.items())
    return f"Of {len(answers)} answers, in their own judgement: {told}."


def _besides(one: Round) -> list[str]:
    named = f"{one.number} {one.fault.name}"
    if one.called_after_s is None:
        lines = [f"{named}: void, it touched nobody"]
    else:
        why = "an incident opened" if one.by_incident else "no incident had opened"
        told = f"; opened: {', '.join(one.opened)}" if one.opened else ""
        lines = [f"{named}: called after {one.called_after_s:.0f} s, {why}{told}"]
        if one.answer is not None and one.answer.misled:
            lines.append(f"{named}, misled by: {_line(one.answer.misled)}")
    if one.calm is not None and not one.calm.came:
        lines.append(
            f"{named}: **not calm** {one.calm.after_s:.0f} s after healing: "
            + "; ".join(one.calm.left)
        )
    elif one.calm is not None:
        lines.append(f"{named}: calm {one.calm.after_s:.0f} s after healing")
    if one.calm is not None and one.calm.closed:
        lines.append(f"{named}: closed by hand, fired still: {', '.join(one.calm.closed)}")
    return lines


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(text.split())
