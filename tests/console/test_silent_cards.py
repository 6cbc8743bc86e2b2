"""A card of the fleet while every worker is silent, or its provider is not heard."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from mentalspace.console.chart import draw
from mentalspace.console.fleet import _while_silent, _while_unheard
from mentalspace.console.queries.fleet import Card, Fleet, Outcomes
from mentalspace.console.queries.processes import Process
from mentalspace.console.words import State
from mentalspace.engine.heard import Heard
from mentalspace.workflows.doctor.touched import Touched

WORKS = State("Working", "ok", "the last calls were answered")


def test_no_card_works_while_every_worker_is_silent() -> None:
    card = Card({}, WORKS, (), None, 0, Touched(), Outcomes(), draw([]))
    fleet = Fleet([card, replace(card, state=State("Paused", "bad", ""))], (), ())
    silent = Process("a", "worker", "h", 1, 900, 90, State("Silent for 90 s", "bad", ""), ())
    alive = replace(silent, name="b", state=State("Alive", "ok", ""))
    ended = replace(alive, name="c", state=State("Ended", "idle", ""))
    said = [c.state.word for c in _while_silent(fleet, [ended, silent]).cards]
    assert said == ["Worker silent", "Paused"]
    assert _while_silent(fleet, [silent, alive]) is fleet
    assert _while_silent(fleet, []) is fleet


def test_no_card_works_while_its_provider_is_not_heard() -> None:
    """Of what it took: it stands on the card, which goes before those that work; what is worse
    stays what it is."""
    ids = [UUID(int=n) for n in range(3)]
    works = Card({"id": ids[0]}, WORKS, (), None, 0, Touched(), Outcomes(), draw([]))
    cards = [works, *(replace(works, credential={"id": each}) for each in ids[1:])]
    cards[2] = replace(cards[2], state=State("Paused", "bad", ""))
    quiet, silent = Heard(True, None, 0, None), Heard(True, None, 3, None)
    shown = _while_unheard(Fleet(cards, (), ()), {ids[0]: quiet, ids[1]: silent, ids[2]: silent})
    assert [card.state.word for card in shown.cards] == ["Paused", "No callbacks", "Working"]
