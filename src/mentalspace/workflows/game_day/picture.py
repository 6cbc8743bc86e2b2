"""A game day as one small picture: a line a drill, from the fault to the recovery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from mentalspace.workflows.game_day.day import Day, Record

WIDTH = 600.0
LINE = 5.0
THICK = 3.5
LEAST = 1.5


@dataclass(frozen=True, slots=True)
class Stretch:
    """A rectangle of the drawing. `tone` is the console's word for its colour."""

    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True)
class Picture:
    """`text` says what it shows, for whoever does not see it."""

    width: float
    height: float
    stretches: tuple[Stretch, ...]
    text: str


def draw(day: Day) -> Picture:
    """The runs below each other as they began: what was broken and not yet seen is `bad`, seen
    `warn`, on its way back `info`, and quiet `ok`; a run that failed is `bad` from end to end."""
    runs = sorted(day.runs, key=lambda run: str(run["began_at"]))
    if not runs:
        return Picture(WIDTH, LINE, (), "No drill has ended yet.")
    start = datetime.fromisoformat(str(runs[0]["began_at"]))
    whole = max((_at(run, "began_at") - start).total_seconds() + run["seconds"] for run in runs)
    scale = WIDTH / max(whole, 1.0)
    found = [
        stretch
        for number, run in enumerate(runs)
        for stretch in _line(run, number * LINE, start, scale)
    ]
    text = (
        f"{len(runs)} drill{'' if len(runs) == 1 else 's'} over {whole:.0f} s, one line each: "
        f"{len(day.passed)} held, {len(day.failed)} failed, {len(day.interrupted)} interrupted."
    )
    return Picture(WIDTH, len(runs) * LINE, tuple(found), text)


def _line(run: Record, y: float, start: datetime, scale: float) -> Iterator[Stretch]:
    began = (_at(run, "began_at") - start).total_seconds()
    ended = began + run["seconds"]
    if run["outcome"] != "passed":
        yield _stretch(began, ended, y, scale, "bad" if run["outcome"] == "failed" else "none")
        return
    yield _stretch(began, ended, y, scale, "ok")
    marks = [
        (_at(run, name) - start).total_seconds() if run[name] else None
        for name in ("injected_at", "detected_at", "healed_at", "recovered_at")
    ]
    for tone, left, right in zip(("bad", "warn", "info"), marks[:-1], marks[1:], strict=True):
        if left is not None and right is not None and right > left:
            yield _stretch(left, right, y, scale, tone)


def _stretch(left: float, right: float, y: float, scale: float, tone: str) -> Stretch:
    x = round(left * scale, 2)
    width = round(max(LEAST, (right - left) * scale), 2)
    return Stretch(x, y, min(width, WIDTH - x) if x < WIDTH else LEAST, THICK, tone)


def _at(run: Record, name: str) -> datetime:
    return datetime.fromisoformat(str(run[name]))
