"""What counts as an answer to a reminder, and what a person must read."""

from __future__ import annotations

from mentalspace.practice.answer_words import read_answer
from mentalspace.practice.consent_words import read_keyword, revokes

ANSWERS = {
    "confirm": [
        *["1", " 1 ", "1.", "1!", "#1", "“1”", "1️⃣", "１", "one", "ONE", "Uno", "1 please", "ok 1"],
        *["Confirm", "confirmed", "I confirm", "Confirmo", "1, confirmed", "1 thank you"],
        *["I'll be there", "See you then!", "Allí estaré", "1 to confirm"],
    ],
    "cancel": ["2", " 2.", "two", "Dos", "2 thanks", "2\n"],
    None: [
        *["", "👍", "12", "1 2", "1:30", "1/2", "1 or 2?", "21", "call me at 1", "ok", "thanks"],
        *["no", "yes", "CANCEL", "cancel my appointment", "2 pm?", "confirm what?", "one moment"],
        *["can we move it to Tuesday", "uno momento"],
    ],
}  # fmt: skip


def test_answers_are_few_and_plain() -> None:
    """Marks, case and courtesies do not count; whatever else stands beside it does."""
    for meant, bodies in ANSWERS.items():
        for body in bodies:
            assert read_answer(body) == meant, body


def test_no_answer_is_a_word_of_consent() -> None:
    """Carriers and we read consent first: an answer must not be lost to it."""
    for body in [*ANSWERS["confirm"], *ANSWERS["cancel"]]:
        assert (read_keyword(body), revokes(body)) == (None, None), body
