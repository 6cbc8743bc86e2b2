"""What the pages say that a client opens from a mail, in the client's language."""

from __future__ import annotations

from collections.abc import Mapping

from mentalspace.practice.saying.facts import Language

_WORDS: Mapping[str, Mapping[Language, str]] = {
    "open":      {"en": "Your appointment",
                  "es": "Su cita"},
    "confirmed": {"en": "Thank you: we expect you",
                  "es": "Gracias: le esperamos"},
    "cancelled": {"en": "This appointment is cancelled",
                  "es": "Esta cita está cancelada"},
    "changed":   {"en": "This link is out of date",
                  "es": "Este enlace ya no es válido"},
    "past":      {"en": "This appointment’s time has passed",
                  "es": "La hora de esta cita ya pasó"},
    "minutes":   {"en": "{number} minutes with {practice}",
                  "es": "{number} minutos con {practice}"},
    "question":  {"en": "Please tell us whether you will come.",
                  "es": "Por favor, díganos si vendrá."},
    "confirm":   {"en": "I will come",
                  "es": "Vendré"},
    "cannot":    {"en": "If you cannot come",
                  "es": "Si no puede venir"},
    "cancel":    {"en": "Cancel this appointment",
                  "es": "Cancelar esta cita"},
    "until":     {"en": "You can cancel here until {until}.",
                  "es": "Puede cancelar aquí hasta el {until}."},
    "too_late":  {"en": "It is too late to cancel here. Please call us.",
                  "es": "Ya es tarde para cancelar aquí. Por favor, llámenos."},
    "newest":    {"en": "The appointment has changed since that mail was sent. Please look for"
                        " our newest mail, or call us.",
                  "es": "La cita ha cambiado desde que se envió ese correo. Busque nuestro"
                        " correo más reciente o llámenos."},
    "another":   {"en": "If you would like another appointment, please call us.",
                  "es": "Si desea otra cita, por favor, llámenos."},
    "call":      {"en": "Call {practice}:",
                  "es": "Llame a {practice}:"},
    "answer":    {"en": "You can also answer the mail.",
                  "es": "También puede responder al correo."},
    "unknown":   {"en": "This link does not work",
                  "es": "Este enlace no funciona"},
    "whole":     {"en": "Please open it again from the mail, or copy all of it.",
                  "es": "Ábralo de nuevo desde el correo o cópielo completo."},
    "slowly":    {"en": "Please wait a minute, then try again",
                  "es": "Espere un minuto e inténtelo de nuevo"},
}  # fmt: skip


def say(name: str, language: Language, **values: object) -> str:
    return _WORDS[name][language].format(**values)
