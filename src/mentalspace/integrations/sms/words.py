"""Every sentence a client may be texted, in each language side by side."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mentalspace.practice.saying.facts import Language

LANGUAGES: tuple[Language, ...] = ("en", "es")

# Everything lies on a lock screen. CANCEL and YES are words that carriers act on, so no text asks
# for them.
_TABLE: Mapping[str, tuple[str, str]] = {
    "created":      ("{practice}: your appointment is on {when}.",
                     "{practice}: su cita es el {when}."),
    "updated":      ("{practice}: your appointment has changed. It is now on {when}.",
                     "{practice}: su cita ha cambiado. Ahora es el {when}."),
    "cancelled":    ("{practice}: your appointment on {when} is cancelled.",
                     "{practice}: su cita del {when} se ha cancelado."),
    "reminder":     ("{practice}: a reminder of your appointment on {when}.",
                     "{practice}: le recordamos su cita del {when}."),
    # for a practice whose name is long
    "created.brief":    ("{practice}: appointment {when}.", "{practice}: cita {when}."),
    "updated.brief":    ("{practice}: appointment changed to {when}.",
                         "{practice}: cita cambiada a {when}."),
    "cancelled.brief":  ("{practice}: appointment {when} is cancelled.",
                         "{practice}: cita del {when} cancelada."),
    "reminder.brief":   ("{practice}: appointment {when}.", "{practice}: cita {when}."),
    "further":      ("{number} more are booked.", "Hay otras {number} reservadas."),
    "answer_both":  ("Reply 1 to confirm, 2 to cancel.",
                     "Responda 1 para confirmar, 2 para cancelar."),
    "answer_one":   ("Reply 1 to confirm.", "Responda 1 para confirmar."),
    "call":         ("Questions? {phone}", "Preguntas: {phone}"),
    "stop":         ("Reply STOP to end.", "Responda STOP para terminar."),

    "confirmed":    ("{practice}: thank you. Your appointment on {when} is confirmed.",
                     "{practice}: gracias. Su cita del {when} queda confirmada."),
    "called_off":   ("{practice}: your appointment on {when} is called off.",
                     "{practice}: su cita del {when} queda anulada."),
    "too_late":     ("{practice}: it is too late to change this by text. Please call us.",
                     "{practice}: ya es tarde para cambiarlo por mensaje. Por favor, llame."),
    "unclear":      ("{practice}: we have your message. Somebody will read it in office hours.",
                     "{practice}: tenemos su mensaje. Lo leeremos en horas de oficina."),

    "opt_out_confirmation": ("{practice}: you will get no more texts from us. Reply START to get"
                             " them again.",
                             "{practice}: ya no le enviamos mensajes de texto. Responda START para"
                             " tenerlos de nuevo."),
    "opt_in_confirmation":  ("{practice}: you will get our texts again. Reply STOP to end them,"
                             " HELP for help.",
                             "{practice}: de nuevo le enviamos mensajes de texto. Responda STOP"
                             " para terminar, AYUDA para ayuda."),
    "help":         ("{practice}: we text you about your visits.{call} Reply STOP to end texts.",
                     "{practice}: le escribimos sobre sus visitas.{call} Responda STOP para"
                     " terminar."),
    "help.call":    (" Call us at {phone}.", " Llame al {phone}."),
    "log_in_code":  ("{code} is your log-in code. It works for {minutes} minutes. Do not give it to"
                     " anybody.",
                     "{code} es su clave de entrada. Sirve durante {minutes} minutos. No la"
                     " comparta."),
}  # fmt: skip

WORDS: Mapping[str, Mapping[Language, str]] = MappingProxyType(
    {key: MappingProxyType(dict(zip(LANGUAGES, both, strict=True))) for key, both in _TABLE.items()}
)


def word(key: str, language: Language, **values: object) -> str:
    return WORDS[key][language].format(**values)
