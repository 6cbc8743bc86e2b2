"""What a client means who answers a reminder: they come, they do not, or somebody must read it.

Carriers read CANCEL and YES before we do (see consent_words.py): neither is an answer here.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Answer = Literal["confirm", "cancel"]

_WORDS: dict[str, Answer] = {
    **dict.fromkeys(
        "1 one uno confirm confirmed confirming confirmo confirmado confirmada".split(), "confirm"
    ),
    **dict.fromkeys("2 two dos".split(), "cancel"),
}
_SENTENCES: dict[str, Answer] = dict.fromkeys(
    (
        *("i confirm", "1 to confirm", "1 para confirmar", "i will be there", "ill be there"),
        *("see you then", "alli estare", "ahi estare", "nos vemos"),
    ),
    "confirm",
)
# Around an answer these add nothing.
_COURTESY = frozenset(
    ["thank you", *"please thanks thx ok okay hi hello gracias favor por hola".split()]
)
# 1:30 and 1/2 are no answers; nor is 12.
_AN_HOUR = re.compile(r"\d[^\w\s]+\d|\d[:/]")


def read_answer(body: str) -> Answer | None:
    """The answer that a message consists of; case, accents, marks and courtesies do not count."""
    letters = unicodedata.normalize("NFKD", body.casefold()).replace("’", "").replace("'", "")
    bare = "".join(each for each in letters if not unicodedata.combining(each))
    if _AN_HOUR.search(bare):
        return None
    words = [word for word in re.findall(r"thank you|\w+", bare) if word not in _COURTESY]
    if (whole := _SENTENCES.get(" ".join(words))) is not None:
        return whole
    said = {_WORDS.get(word) for word in words}
    return said.pop() if len(said) == 1 else None
