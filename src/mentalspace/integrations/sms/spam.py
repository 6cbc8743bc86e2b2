"""What carriers are known to take for spam, found in a text without quoting anything else of it."""

from __future__ import annotations

import re

# What asks to click, hurry or win, and who is called upon to prove something; shared shorteners,
# and the capitals of a shout. Gathered from what carriers' and Twilio's guides name.
# source: https://www.twilio.com/docs/api/errors/30007
_PHRASES = (
    "click here", "click now", "act now", "call now", "hurry", "urgent", "last chance",
    "limited time", "you won", "winner", "prize", "free", "gift card", "offer", "discount", "cash",
    "verify your account", "confirm your identity",
    "haga clic", "ahora mismo", "urgente", "última oportunidad", "ganador", "premio", "gratis",
    "oferta", "descuento", "verifique su cuenta",
)  # fmt: skip
_SHORTENERS = ("bit.ly", "tinyurl.com", "goo.gl", "t.co", "is.gd", "ow.ly", "rb.gy", "cutt.ly")
_LINK = re.compile(r"https?://([^/\s:]+)|\b([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,})/", re.I)
# Fewer letters than these may be a name or a keyword.
_FEWEST_LETTERS = 20


def suspicious(body: str, own_host: str) -> list[str]:
    """Each sign in a few words; only listed phrases and shorteners are named, never the text."""
    low = body.lower()
    found = [f"“{each}”" for each in _PHRASES if re.search(rf"\b{re.escape(each)}\b", low)]
    for match in _LINK.finditer(body):
        found.append(_of_link((match[1] or match[2]).lower(), own_host))
    letters = [letter for letter in body if letter.isalpha()]
    if len(letters) >= _FEWEST_LETTERS and sum(map(str.isupper, letters)) * 2 > len(letters):
        found.append("mostly capitals")
    return list(dict.fromkeys(found))


def _of_link(host: str, own_host: str) -> str:
    if host in _SHORTENERS:
        return f"a link by the shortener {host}"
    return "a link to our own host" if host == own_host else "a link to another’s host"
