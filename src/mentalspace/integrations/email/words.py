"""Every sentence a client may be sent, in each language side by side."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mentalspace.practice.saying.facts import Language

LANGUAGES: tuple[Language, ...] = ("en", "es")

# One key, its English, its Spanish. Subjects and preheaders may lie on a lock screen: no practice,
# no person, no reason.
_TABLE: Mapping[str, tuple[str, str]] = {
    "created.subject":      ("Your appointment on {day}",
                             "Su cita del {day}"),
    "created.preheader":    ("When it is, and how to reach us.",
                             "Cuándo es y cómo comunicarse con nosotros."),
    "created.heading":      ("Your appointment is booked",
                             "Su cita está reservada"),
    "created.intro":        ("We have set this time aside for you.",
                             "Hemos reservado esta hora para usted."),

    "updated.subject":      ("Your appointment has changed: now {day}",
                             "Su cita ha cambiado: ahora el {day}"),
    "updated.preheader":    ("The new time, and how to reach us.",
                             "La nueva hora y cómo comunicarse con nosotros."),
    "updated.heading":      ("Your appointment has changed",
                             "Su cita ha cambiado"),
    "updated.intro":        ("This is the time that holds now. Please forget the earlier one.",
                             "Esta es la hora válida ahora. Por favor, olvide la anterior."),

    "cancelled.subject":    ("Your appointment on {day} is cancelled",
                             "Su cita del {day} se ha cancelado"),
    "cancelled.preheader":  ("It will not take place.",
                             "No tendrá lugar."),
    "cancelled.heading":    ("Your appointment is cancelled",
                             "Su cita se ha cancelado"),
    "cancelled.intro":      ("This appointment will not take place. You need not come.",
                             "Esta cita no tendrá lugar. No es necesario que venga."),

    "reminder.subject":     ("Reminder: your appointment on {day}",
                             "Recordatorio: su cita del {day}"),
    "reminder.preheader":   ("When it is, and how to reach us.",
                             "Cuándo es y cómo comunicarse con nosotros."),
    "reminder.heading":     ("A reminder of your appointment",
                             "Recordatorio de su cita"),
    "reminder.intro":       ("This is a reminder of your appointment.",
                             "Este es un recordatorio de su cita."),

    "created.further":      ("{number} more appointments of the same series are booked.",
                             "Hay {number} citas más reservadas de la misma serie."),
    "cancelled.further":    ("{number} more appointments of the same series are cancelled, too.",
                             "También se cancelan {number} citas más de la misma serie."),
    "when":                 ("When", "Cuándo"),
    "length":               ("How long", "Duración"),
    "minutes":              ("{number} min", "{number} min"),
    "with":                 ("With", "Con"),
    "confirm":              ("I will come", "Asistiré"),
    "cancel":               ("I cannot come", "No podré asistir"),
    "asks_again":           ("Each opens a page that asks once more before anything changes.",
                             "Cada uno abre una página que pregunta otra vez antes de cambiar "
                             "nada."),
    "contact.phone":        ("If this does not suit you, please call us at {phone}.",
                             "Si no le conviene, llámenos al {phone}."),
    "contact.answer":       ("If this does not suit you, please answer this mail.",
                             "Si no le conviene, responda a este correo."),
    "again.phone":          ("To find another time, please call us at {phone}.",
                             "Para acordar otra hora, llámenos al {phone}."),
    "again.answer":         ("To find another time, please answer this mail.",
                             "Para acordar otra hora, responda a este correo."),
    "questions.phone":      ("If you have questions, please call us at {phone}.",
                             "Si tiene preguntas, llámenos al {phone}."),
    "questions.answer":     ("If you have questions, please answer this mail.",
                             "Si tiene preguntas, responda a este correo."),
    "invite.summary":       ("Appointment", "Cita"),
    "invite.file":          ("appointment.ics", "cita.ics"),

    "password_reset.subject":   ("Choose a new password",
                                 "Elija una contraseña nueva"),
    "password_reset.preheader": ("The link works once, for one hour.",
                                 "El enlace funciona una sola vez, durante una hora."),
    "password_reset.heading":   ("Choose a new password",
                                 "Elija una contraseña nueva"),
    "password_reset.intro":     ("Somebody, we hope you, asked for a new password for this "
                                 "address.",
                                 "Alguien, esperamos que usted, pidió una contraseña nueva para "
                                 "esta dirección."),
    "password_reset.action":    ("Choose a password",
                                 "Elegir una contraseña"),
    "password_reset.outro":     ("The link works once, for one hour. If you did not ask for it, do "
                                 "nothing: your password stays as it is.",
                                 "El enlace funciona una sola vez, durante una hora. Si no lo "
                                 "pidió, no haga nada: su contraseña no cambia."),

    "portal_invitation.subject":   ("Your invitation to the portal",
                                    "Su invitación al portal"),
    "portal_invitation.preheader": ("The link works once, for seven days.",
                                    "El enlace funciona una sola vez, durante siete días."),
    "portal_invitation.heading":   ("You are invited to our portal",
                                    "Le invitamos a nuestro portal"),
    "portal_invitation.intro":     ("There you see your appointments whenever you like. Choose a "
                                    "password to begin.",
                                    "Allí puede ver sus citas cuando quiera. Elija una contraseña "
                                    "para empezar."),
    "portal_invitation.action":    ("Choose a password",
                                    "Elegir una contraseña"),
    "portal_invitation.outro":     ("The link works once, for seven days. If you do not want the "
                                    "portal, do nothing.",
                                    "El enlace funciona una sola vez, durante siete días. Si no "
                                    "desea usar el portal, no haga nada."),

    "receipt.subject":      ("Your receipt",
                             "Su recibo"),
    "receipt.preheader":    ("Thank you for your payment.",
                             "Gracias por su pago."),
    "receipt.heading":      ("Thank you for your payment",
                             "Gracias por su pago"),
    "receipt.intro":        ("This is your receipt. Please keep it.",
                             "Este es su recibo. Por favor, consérvelo."),
    "receipt.amount":       ("Amount", "Importe"),
    "receipt.date":         ("Date", "Fecha"),
    "receipt.reference":    ("Reference", "Referencia"),

    "note":                 ("From the practice", "Del consultorio"),
    "link":                 ("If the button does not work, open this address:",
                             "Si el botón no funciona, abra esta dirección:"),
    "little":               ("For your privacy this mail says no more than it must.",
                             "Por su privacidad, este correo no dice más de lo necesario."),
}  # fmt: skip

WORDS: Mapping[str, Mapping[Language, str]] = MappingProxyType(
    {key: MappingProxyType(dict(zip(LANGUAGES, both, strict=True))) for key, both in _TABLE.items()}
)


def word(key: str, language: Language, **values: object) -> str:
    return WORDS[key][language].format(**values)
