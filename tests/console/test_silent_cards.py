"""A card of the fleet while every worker is silent."""

from __future__ import annotations

from dataclasses import replace

from mentalspace.console.chart import draw
from mentalspace.console.fleet import _while_silent
from mentalspace.console.queries.fleet import Card, Fleet, Outcomes
from mentalspace.console.queries.processes import Process
from mentalspace.console.words import State
from mentalspace.workflows.doctor.touched import Touched


def test_no_card_works_while_every_worker_is_silent() -> None:
    works = State("Working", "ok", "the last calls were answered")
    card = Card({}, works, (), None, 0, Touched(), Outcomes(), draw([]))
    fleet = Fleet([card, replace(card, state=State("Paused", "bad", ""))], (), ())
    silent = Process("a", "worker", "h", 1, 900, 90, State("Silent for 90 s", "bad", ""), ())
    alive = replace(silent, name="b", state=State("Alive", "ok", ""))
    ended = replace(alive, name="c", state=State("Ended", "idle", ""))
    said = [c.state.word for c in _while_silent(fleet, [ended, silent]).cards]
    assert said == ["Worker silent", "Paused"]
    assert _while_silent(fleet, [silent, alive]) is fleet
    assert _while_silent(fleet, []) is fleet
