"""How a process ended, for whoever has no access to its host."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from mentalspace.engine.ends import End, last_said, note, noted


def test_the_last_line_is_told_in_names_and_codes(tmp_path: Path) -> None:
    """Ids and whatever is no line of our own log stay away, and so does who ran before."""
    log = tmp_path / "worker.log"
    log.write_text(json.dumps({"event": "an_older_one"}) + "\n")
    size = log.stat().st_size
    assert last_said(log, size) is None
    lines = [
        json.dumps({"event": "loop_failed", "kind": "page", "error": "KeyError", "pid": 4}),
        json.dumps({"event": "Ana Ruiz <ana@clients.example> was here", "level": "error"}),
        json.dumps({"event": "said", "client": "Ana Ruiz"}),
        "KeyError: 'ana@clients.example'",
    ]
    with log.open("a") as file:
        file.write("\n".join(lines) + "\n")
    assert last_said(log, size) == "loop_failed, kind page, error KeyError"


def test_only_the_latest_notes_are_kept(tmp_path: Path) -> None:
    """A worker that ends all day fills no disk, and what is half written is left out."""
    (tmp_path / "run").mkdir()
    ends = [End("worker", "h", n, datetime.now(UTC), 1.0, 1, None) for n in range(60)]
    for end in ends:
        note(tmp_path, end)
    assert noted(tmp_path) == ends[-50:]
    with (tmp_path / "run" / "ends.jsonl").open("a") as file:
        file.write('{"kind": "wor')
    assert noted(tmp_path) == ends[-50:]
    assert End("worker", "h", 1, datetime.now(UTC), 1.0, 3, None).words == "ended with code 3"
