"""What the pages say behind a link to choose a password, at the log-in by text, and to a client."""

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
    "documents":  {"en": "Your documents",
                   "es": "Sus documentos"},
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
    "text_title":   {"en": "Log in by text",
                     "es": "Entrar con un mensaje"},
    "text_who":     {"en": "Your e-mail address or mobile number",
                     "es": "Su correo electrónico o número de móvil"},
    "text_send":    {"en": "Text me a code",
                     "es": "Enviarme una clave"},
    "text_look":    {"en": "Look at your telephone",
                     "es": "Mire su teléfono"},
    "text_ending":  {"en": "If we know the number ending {ending}, a code is on its way to it.",
                     "es": "Si conocemos el número que termina en {ending}, va en "
                           "camino una clave."},
    "text_on_file": {"en": "If we know that address, a code is on its way to the "
                           "mobile number we have for it.",
                     "es": "Si conocemos ese correo, va en camino una clave al "
                           "móvil que tenemos."},
    "text_or_mail": {"en": "If no text can be sent there, a mail with a link comes instead.",
                     "es": "Si no se le puede enviar un mensaje, llegará un correo "
                           "con un enlace."},
    "text_code":    {"en": "Code",
                     "es": "Clave"},
    "text_help":    {"en": "Six digits. They work once, for ten minutes, in this browser.",
                     "es": "Seis cifras. Sirven una vez, diez minutos, en este navegador."},
    "text_none":    {"en": "Nothing there after {seconds} seconds? A new code "
                           "voids the one before.",
                     "es": "¿Nada después de {seconds} segundos? Una clave nueva "
                           "anula la anterior."},
    "text_again":   {"en": "Send a new code",
                     "es": "Enviar otra clave"},
    "text_mail":    {"en": "Send me a link by e-mail",
                     "es": "Enviarme un enlace por correo"},
    "text_password": {"en": "Log in with a password",
                      "es": "Entrar con contraseña"},
    "wrong_code":   {"en": "That code is not right, or not any more. After five "
                           "tries ask for a new one.",
                     "es": "Esa clave no es correcta o ya no sirve. Tras cinco "
                           "intentos pida otra."},
    "too_many":     {"en": "Too many requests from your network. Try again in an hour.",
                     "es": "Demasiadas peticiones desde su red. Inténtelo dentro de una hora."},
    "too_soon":     {"en": "One was asked for just now. Wait {seconds} seconds.",
                     "es": "Se acaba de pedir una. Espere {seconds} segundos."},
    "who_missing":  {"en": "Give your address or number.",
                     "es": "Escriba su correo o su número."},
    "stale":        {"en": "The page was open too long, or cookies are switched off. Try again.",
                     "es": "La página estuvo abierta demasiado tiempo o no admite "
                           "cookies. Inténtelo otra vez."},
}  # fmt: skip


def say(name: str, language: Language, **values: object) -> str:
    return _WORDS[name][language].format(**values)
