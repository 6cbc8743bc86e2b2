"""Whether evidence still says what was written: the chain by itself, and against the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mentalspace.engine.db import Connection
from mentalspace.engine.evidence import read_chain, read_head
from mentalspace.kernel.chain import Entry, differences
from mentalspace.workflows.game_day.day import NO_END, Day

MOST_SHOWN = 5
# Who holds a game day says so every two seconds.
SILENT_S = 60.0

_UNDER_WAY = """
select true from game_day
 where id = $1 and state = 'running' and beat_at > clock_timestamp() - $2 * interval '1 s'
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`altered` are lines for a person; `checked` says against what was held. One that is still
    `under_way` has no end yet, and is judged by what stands so far."""

    chain: str
    entries: int
    head: str
    altered: Sequence[str]
    checked: str
    under_way: bool = False

    @property
    def holds(self) -> bool:
        return not self.altered


def verify_file(day: Day) -> Verdict:
    """A report by itself: whoever changed it without changing every later hash is found out."""
    return _verdict(
        day, [_line(day, flaw.seq, flaw.text) for flaw in day.flaws], "its hashes alone"
    )


async def verify_day(connection: Connection, day: Day) -> Verdict:
    """The same, and each entry against what the ledger holds under its number."""
    ledger = await read_chain(connection, day.id)
    if not ledger:
        alone = verify_file(day)
        return replace(alone, checked=f"{alone.checked}: the ledger here knows no such game day")
    under_way = day.closed is None and await connection.fetchval(_UNDER_WAY, day.id, SILENT_S)
    flaws = [flaw for flaw in day.flaws if not (under_way and flaw.text == NO_END)]
    lines = [_line(day, flaw.seq, flaw.text) for flaw in flaws]
    head = await read_head(connection, day.id)
    # What was written since it was read is no part of it yet.
    lines += _against(day, ledger[: len(day.entries)] if under_way else ledger)
    if head != (ledger[-1].seq, ledger[-1].hash):
        lines.append("the ledger’s newest entries are missing")
    verdict = _verdict(day, list(dict.fromkeys(lines)), "its hashes and the ledger")
    return replace(verdict, under_way=bool(under_way))


def _against(day: Day, ledger: Sequence[Entry]) -> Iterator[str]:
    kept = {entry.seq: entry for entry in ledger}
    for entry in day.entries:
        other = kept.pop(entry.seq, None)
        if other is None:
            yield _line(day, entry.seq, "the ledger has no such entry")
        elif (entry.kind, entry.body) != (other.kind, other.body):
            found = list(differences(other.record, entry.record))
            for path, was, now in found[:MOST_SHOWN]:
                yield _line(day, entry.seq, f"{path} was {_shown(was)} and now says {_shown(now)}")
            if len(found) > MOST_SHOWN:
                yield _line(day, entry.seq, f"and {len(found) - MOST_SHOWN} more differences")
    for seq in sorted(kept):
        yield f"entry {seq} of the ledger is missing"


def _verdict(day: Day, altered: Sequence[str], checked: str) -> Verdict:
    return Verdict(day.id, len(day.entries), day.head, altered, checked)


def _line(day: Day, seq: int, text: str) -> str:
    entry = next((entry for entry in day.entries if entry.seq == seq), None)
    about = f" ({entry.record.get('drill')})" if entry is not None and entry.kind == "drill" else ""
    return f"entry {seq}{about}: {text}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
