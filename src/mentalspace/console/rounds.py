"""The clocks of an incident, and of each of its rounds, from being nobody's to being over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mentalspace.console import words
from mentalspace.engine.db import Connection
from mentalspace.engine.document import Block, Table

# What makes it nobody's, and so begins a round.
_BEGINS: Mapping[str, str] = {"incident_opened": "Opened", **words.RETURNED}
_READ = """
select at, kind, data, actor from timeline
 where incident_id = $1 and kind = any ($2) order by at, id
"""


@dataclass(frozen=True, slots=True)
class Round:
    """`over_at` is when what went wrong was over, `closed_at` when a person said so."""

    why: str
    began_at: datetime
    taken_at: datetime | None = None
    taken_by: str | None = None
    over_at: datetime | None = None
    closed_at: datetime | None = None


async def read_rounds(connection: Connection, incident: Any) -> list[Round]:
    """From its timeline, the first first. Never empty."""
    kinds = [*_BEGINS, "acknowledged", "incident_recovered", "resolved"]
    return rounds_of(incident, await connection.fetch(_READ, incident["id"], kinds))


def rounds_of(incident: Any, story: Sequence[Any]) -> list[Round]:
    """The last is over when the whole group is, if the incident leads one."""
    found: list[Round] = []
    for row in story:
        if row["kind"] in _BEGINS:
            another = "case_before" in (row["data"] or {})
            word = "cause_changed" if another else row["kind"]
            found.append(Round(_BEGINS[word], row["at"]))
            continue
        found = found or [Round(_BEGINS["incident_opened"], incident["opened_at"])]
        found[-1] = _with(found[-1], row)
    last = found.pop() if found else Round(_BEGINS["incident_opened"], incident["opened_at"])
    return [*found, replace(last, over_at=incident["over_since"])]


def clocks(incident: Any, rounds: Sequence[Round]) -> Iterator[Block]:
    """How long each part took; of several rounds a line of each besides."""
    yield Table(
        "How long each part took", ("Clock", "Took", "From", "To"), tuple(_whole(incident, rounds))
    )
    if len(rounds) > 1:
        yield Table(
            f"{len(rounds)} rounds: each time it was nobody’s",
            ("Round", "Open since", "Taken", "After", "Over", "After"),
            tuple(_line(number, one, rounds) for number, one in enumerate(rounds, 1)),
        )


def _with(one: Round, row: Any) -> Round:
    match row["kind"]:
        case "acknowledged":
            # Said while a table was locked, and written down later.
            said_at = (row["data"] or {}).get("said_at")
            taken_at = datetime.fromisoformat(said_at) if said_at else row["at"]
            return replace(one, taken_at=taken_at, taken_by=row["actor"])
        case "incident_recovered":
            since = row["data"].get("over_since")
            return replace(one, over_at=datetime.fromisoformat(since) if since else row["at"])
        case _:
            return replace(one, closed_at=row["at"])


def _whole(incident: Any, rounds: Sequence[Round]) -> Iterator[tuple[str, str, str, str]]:
    since, first, last = incident["since"], rounds[0], rounds[-1]
    over, told = incident["over_since"], incident["recovered_at"]
    yield _clock("To detect", since, incident["opened_at"])
    if len(rounds) == 1:
        yield _clock("To acknowledge", first.began_at, first.taken_at)
    yield _clock("To recover", since, over)
    if over is not None and over < told:
        yield _clock("Watched before it was told as over", over, told)
    yield _clock("To resolve", since, incident["resolved_at"])
    of_last = "" if len(rounds) == 1 else " in the last round"
    yield _clock(f"Acknowledgement due{of_last}", last.began_at, incident["ack_due_at"])


def _clock(name: str, begin: datetime, end: datetime | None) -> tuple[str, str, str, str]:
    took = words.span(end - begin) if end is not None else "not yet"
    return name, took, at_second(begin), at_second(end) if end is not None else "–"


def _line(number: int, one: Round, rounds: Sequence[Round]) -> tuple[str, ...]:
    never = "not yet" if number == len(rounds) else "not in this round"
    taken = f"{at_second(one.taken_at)} by {one.taken_by}" if one.taken_at else never
    over = at_second(one.over_at) if one.over_at else never
    if one.over_at is None and one.closed_at is not None:
        over = f"closed {at_second(one.closed_at)}, not over"
    return (
        f"{number}: {one.why.lower()}",
        at_second(one.began_at),
        taken,
        _after(one.began_at, one.taken_at),
        over,
        _after(one.began_at, one.over_at or one.closed_at),
    )


def _after(begin: datetime, end: datetime | None) -> str:
    return words.span(end - begin) if end is not None else "–"


def at_second(moment: datetime | None) -> str:
    """In UTC, as a paper writes it; `never` where there is none."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment is not None else "never"
