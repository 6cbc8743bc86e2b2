"""An incident at a glance, as lines of a terminal: what its page says at the top."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from mentalspace.console import impact_words, words
from mentalspace.console.post_mortem import Told, what
from mentalspace.console.recommend import SWITCH_OFF, Seen, recommend
from mentalspace.console.rounds import at_second
from mentalspace.engine.runbook import Runbooks
from mentalspace.workflows.doctor.test_mode import off_command
from mentalspace.workflows.impact.together_words import line, plain

T = TypeVar("T")


def glance(told: Told, runbooks: Runbooks, title: str) -> str:
    """Without what a person who opens the page has asked just then: the provider and its page."""
    lines = [f"  {name}: {said}" for name, said in _lines(told, runbooks)]
    return "\n".join([f"{title} (times are UTC)", *lines])


def _lines(told: Told, runbooks: Runbooks) -> Iterator[tuple[str, str]]:
    incident, impact = told.incident, told.facts["impact"]
    yield from what(told)
    yield "Since", at_second(incident["since"])
    yield "Who has it", incident["acknowledged_by"] or "nobody"
    yield "People", impact_words.added_up(impact)
    for one in told.together:
        yield "Together", plain(line(one, incident["id"]), at_second)
    is_switched = words.test_mode(incident) is not None
    seen = Seen(
        incident=incident,
        provider=told.provider,
        case=_known(runbooks.case, incident["case_id"]),
        rule=_known(runbooks.alert, incident["rule_id"]),
        group=told.group,
        buttons=(),
        refused=None,
        standstill=None,
        way_out=False,
        next_attempt_at=impact["next_attempt_at"],
        switched_off=impact_words.switched_off(impact) if is_switched else None,
    )
    if (advised := recommend(seen)) is not None:
        yield "Now", advised.says
        if advised.press == SWITCH_OFF and incident["practice_slug"]:
            where = incident["integration"], incident["practice_slug"], incident["provider"]
            yield "Command", off_command(*where)


def _known(find: Callable[[str], T], id_: str | None) -> T | None:
    """None of what the runbook has dropped since."""
    try:
        return find(id_) if id_ else None
    except LookupError:
        return None
