"""What proves a rule of the house: the drill that fires it or, said openly, the test that does."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.read import Source, Table, problem_at
from mentalspace.engine.runbook.rehearsal import Rehearsal

_KEYS = frozenset({"watches", "drill", "test", "instead"})
_TEST = re.compile(r"tests/[a-z0-9_/]+\.py::test_[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class HouseProof:
    """`watches` is when the rule holds, in words. `drill` names one of the house's own; where none
    can reasonably be made, `test` is one of ours and `instead` says why."""

    rule_id: str
    watches: str
    drill: str | None
    test: str | None
    instead: str | None
    path: Path


def parse_house_proof(
    head: Mapping[str, object], source: Source, problems: list[Problem]
) -> tuple[HouseProof | None, dict[str, object]]:
    """The proof, or None once its mistakes are in `problems`; and what else the head says."""
    before = len(problems)
    mine = {key: value for key, value in head.items() if key in _KEYS}
    table = Table(mine, source, problems)
    proof = HouseProof(
        rule_id=str(head.get("id", "")),
        watches=table.text("watches"),
        drill=table.maybe_text("drill"),
        test=table.maybe_text("test"),
        instead=table.maybe_text("instead"),
        path=source.path,
    )
    rest = {key: value for key, value in head.items() if key not in _KEYS}
    return (proof if len(problems) == before else None), rest


def check_house(
    proofs: Collection[HouseProof], rehearsals: Collection[Rehearsal]
) -> Iterator[Problem]:
    """No rule of the house goes unproven, and no drill proves a rule that there is not."""
    drills = {name: drill for drill in rehearsals for name in (drill.name, drill.id)}
    for proof in proofs:
        yield from _unproven(proof, drills)
    known = {proof.rule_id for proof in proofs}
    for drill in rehearsals:
        for rule in set(drill.proves) - known:
            text = f"{drill.id} proves {rule!r}, which is no rule of the house"
            yield problem_at(drill.path, "proves", text, f"name one of {', '.join(sorted(known))}")


def _unproven(proof: HouseProof, drills: Mapping[str, Rehearsal]) -> Iterator[Problem]:
    if proof.drill is not None:
        drill = drills.get(proof.drill)
        if drill is None or proof.rule_id not in drill.proves:
            cure = f"name a drill of the house that says proves = [{proof.rule_id!r}]"
            yield problem_at(proof.path, "drill", f"{proof.rule_id} is fired by no drill", cure)
    elif proof.test is None:
        cure = "add drill, or test with instead, which says why no drill can be made"
        yield problem_at(proof.path, "id", f"{proof.rule_id} has neither drill nor test", cure)
    elif not _TEST.fullmatch(proof.test):
        cure = "write tests/FILE.py::test_NAME"
        yield problem_at(proof.path, "test", f"{proof.rule_id} names no test", cure)
    if (proof.test is None) is not (proof.instead is None):
        cure = "give test together with instead, which says why no drill can be made"
        yield problem_at(proof.path, "id", f"{proof.rule_id}: test and instead", cure)
