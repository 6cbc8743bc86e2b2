"""Which revision of the runbook somebody followed: digests of its files as they are written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from mentalspace.engine.runbook.book import Runbooks
from mentalspace.engine.runbook.drill import Drill
from mentalspace.engine.runbook.overview import AlertRule
from mentalspace.engine.runbook.rehearsal import Rehearsal


@cache
def file_revision(path: Path) -> str:
    """A file's SHA-256, read once a process: what was loaded at its start is what it acts on."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def rule_revision(rule: AlertRule) -> str:
    """Of the rule alone: many share a file."""
    return hashlib.sha256(repr(rule).encode()).hexdigest()


def drill_revision(runbooks: Runbooks, drill: Drill | Rehearsal) -> dict[str, str]:
    """The drill's own file, by its id, and those of the cases and the rules that it proves."""
    found = {drill.id: file_revision(drill.path)}
    if isinstance(drill, Drill):
        cases = {case.id: case.path for case in runbooks.room(drill.room).cases}
        for name in dict.fromkeys((*drill.cases, drill.expect.case)):
            if name in cases:
                found[name] = file_revision(cases[name])
        for rule in drill.expect.alert:
            found[rule] = rule_revision(runbooks.alert(rule))
    else:
        proofs = {proof.rule_id: proof.path for proof in runbooks.house_proofs}
        found |= {rule: file_revision(proofs[rule]) for rule in drill.proves if rule in proofs}
    return dict(sorted(found.items()))


def book_revision(runbooks: Runbooks) -> str:
    """One digest over every file of every room, and over the house's own."""
    digest = hashlib.sha256()
    for name, path in sorted(_files(runbooks)):
        digest.update(f"{name} {file_revision(path)}\n".encode())
    return digest.hexdigest()


def _files(runbooks: Runbooks) -> Iterable[tuple[str, Path]]:
    for room in runbooks.rooms:
        yield room.room, room.overview.path
        yield from ((case.id, case.path) for case in room.cases)
        yield from ((issue.id, issue.path) for issue in room.issues)
        yield from ((drill.id, drill.path) for drill in room.drills)
    yield from ((issue.id, issue.path) for issue in runbooks.house)
    for rehearsal in runbooks.rehearsals:
        yield rehearsal.id, rehearsal.path
