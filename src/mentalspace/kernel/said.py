"""What a provider says in words of its own, told only where these words are known.

Its prose may quote an address or a name. So nothing of it is ever kept: what is told is the known
sentence, as it stands in the provider's folder.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mentalspace.kernel.phi import Phi

# In a known sentence: whatever may stand there, and is not told.
ANYTHING = "…"
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Sentences:
    known: Mapping[str, re.Pattern[str]]

    def find(self, prose: Phi[str] | None) -> str | None:
        """The known sentence that this is, `…` for what may quote somebody; None for any other."""
        if prose is None or len(prose.reveal()) > _LONGEST:
            return None
        text = " ".join(prose.reveal().split())
        return next((said for said, form in self.known.items() if form.fullmatch(text)), None)


def read_sentences(toml: str) -> Sentences:
    """Of `sentences`, and of `fields`, each of which may stand where a sentence has `{field}`."""
    data = tomllib.loads(toml)
    said = [one for form in data["sentences"] for one in _of_each(form, data.get("fields", ()))]
    return Sentences({one: _form(one) for one in sorted(said, key=lambda one: ANYTHING in one)})


def _of_each(form: str, fields: Sequence[str]) -> list[str]:
    if "{field}" not in form:
        return [form]
    return [form.replace("{field}", field) for field in fields]


def _form(sentence: str) -> re.Pattern[str]:
    parts = (re.escape(part) for part in sentence.removesuffix(".").split(ANYTHING))
    return re.compile(".+?".join(parts) + r"\.?")
