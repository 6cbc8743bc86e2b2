"""What the page behind a guarded link says, in the language of whoever it is for."""

from __future__ import annotations

from collections.abc import Mapping

from mentalspace.console.notice_words import WORDS as NOTICE
from mentalspace.practice.saying.facts import Language

_WORDS: Mapping[str, Mapping[Language, str]] = {
    **NOTICE,
    "nothing":      {"en": "This link opens nothing",
                     "es": "Este enlace no abre nada"},
    "ask_anew":     {"en": "It may have been cut short on its way, or has been over for long. Ask "
                           "whoever sent it for a new one.",
                     "es": "Puede que se haya cortado por el camino o que terminara hace tiempo. "
                           "Pida uno nuevo a quien se lo envió."},
    "open":         {"en": "A document for you",
                     "es": "Un documento para usted"},
    "until":        {"en": "{practice} keeps it here until {until}.",
                     "es": "{practice} lo guarda aquí hasta el {until}."},
    "once":         {"en": "It opens once: save it, if you need it again.",
                     "es": "Se abre una sola vez: guárdelo si lo va a necesitar de nuevo."},
    "once_of_both": {"en": "It opens once, with one of the two buttons: save it, if you need it "
                           "again.",
                     "es": "Se abre una sola vez, con uno de los dos botones: guárdelo si lo va a "
                           "necesitar de nuevo."},
    "button":       {"en": "Open the document",
                     "es": "Abrir el documento"},
    "log_in_first": {"en": "Log in first",
                     "es": "Primero inicie sesión"},
    "for_one":      {"en": "{practice} made this link for one person or one role. Log in, and it "
                           "opens if that is you.",
                     "es": "{practice} hizo este enlace para una sola persona o función. Inicie "
                           "sesión y se abrirá si es para usted."},
    "log_in":       {"en": "Log in",
                     "es": "Iniciar sesión"},
    "others":       {"en": "This link is for somebody else",
                     "es": "Este enlace es para otra persona"},
    "you_are":      {"en": "You are logged in as {who}. {practice} made this link for another "
                           "person or another role. If you have a second log-in, use that one; "
                           "else ask for a link of your own.",
                     "es": "Ha iniciado sesión como {who}. {practice} hizo este enlace para otra "
                           "persona u otra función. Si tiene otro acceso, use ese; si no, pida un "
                           "enlace para usted."},
    "over":         {"en": "This link is over",
                     "es": "Este enlace ya terminó"},
    "used":         {"en": "It opened once, and was made for one time. If that was not you, tell "
                           "{practice} at once.",
                     "es": "Ya se abrió, y era para una sola vez. Si no fue usted, avise a "
                           "{practice} enseguida."},
    "expired":      {"en": "Its time is up. Ask {practice} for a new one.",
                     "es": "Se acabó su tiempo. Pida uno nuevo a {practice}."},
    "ended":        {"en": "{practice} ended it. Ask there for a new one if you need the document.",
                     "es": "{practice} lo dio por terminado. Pida allí uno nuevo si necesita el "
                           "documento."},
    "other_language": {"en": "En español",
                     "es": "In English"},
}  # fmt: skip


def say(name: str, language: Language, **values: object) -> str:
    return _WORDS[name][language].format(**values)


def preferred(accepted: str) -> Language:
    """The first of ours that a browser asks for, in its own order; English if it asks for none."""
    for each in accepted.lower().split(","):
        match each.strip().partition(";")[0].partition("-")[0]:
            case "es":
                return "es"
            case "en":
                return "en"
    return "en"
