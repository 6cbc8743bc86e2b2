"""What the pages say behind a link to choose a password, and the client's own page."""

from __future__ import annotations

from collections.abc import Mapping

from mentalspace.practice.saying.facts import Language

_WORDS: Mapping[str, Mapping[Language, str]] = {
    "reset":      {"en": "Choose a new password",
                   "es": "Elija una contraseña nueva"},
    "invited":    {"en": "Welcome: choose a password",
                   "es": "Le damos la bienvenida: elija una contraseña"},
    "joins":      {"en": "With it and your e-mail address you see your appointments at {practice}.",
                   "es": "Con ella y su correo electrónico verá sus citas en {practice}."},
    "password":   {"en": "New password",
                   "es": "Contraseña nueva"},
    "rule":       {"en": "From 8 to 1024 characters. A sentence is good.",
                   "es": "De 8 a 1024 caracteres. Una frase sirve bien."},
    "again":      {"en": "The same once more",
                   "es": "La misma otra vez"},
    "set":        {"en": "Set the password",
                   "es": "Guardar la contraseña"},
    "too_short":  {"en": "A password has from 8 to 1024 characters.",
                   "es": "Una contraseña tiene de 8 a 1024 caracteres."},
    "different":  {"en": "The two are not the same.",
                   "es": "Las dos no son iguales."},
    "dead":       {"en": "This link does not work",
                   "es": "Este enlace no funciona"},
    "ask_anew":   {"en": "It works once, and not for ever. Ask for a new one, or ask the practice "
                         "to invite you again.",
                   "es": "Funciona una sola vez y no para siempre. Pida otro o pida al consultorio "
                         "que le invite de nuevo."},
    "forgot":     {"en": "Ask for a new link",
                   "es": "Pedir otro enlace"},
    "done":       {"en": "Your password is set",
                   "es": "Su contraseña está guardada"},
    "everywhere": {"en": "You are logged out everywhere else.",
                   "es": "Su sesión se ha cerrado en todos los demás lugares."},
    "log_in":     {"en": "Log in",
                   "es": "Iniciar sesión"},
    "log_out":    {"en": "Log out",
                   "es": "Cerrar sesión"},
    "portal":     {"en": "Your appointments",
                   "es": "Sus citas"},
    "coming":     {"en": "To come",
                   "es": "Próximas"},
    "past":       {"en": "Past",
                   "es": "Pasadas"},
    "none":       {"en": "None.",
                   "es": "Ninguna."},
    "cancelled":  {"en": "Cancelled",
                   "es": "Cancelada"},
    "minutes":    {"en": "{number} min",
                   "es": "{number} min"},
    "call":       {"en": "To change one, call {practice}:",
                   "es": "Para cambiar una, llame a {practice}:"},
    "ask":        {"en": "To change one, ask {practice}.",
                   "es": "Para cambiar una, pregunte a {practice}."},
}  # fmt: skip


def say(name: str, language: Language, **values: object) -> str:
    return _WORDS[name][language].format(**values)
