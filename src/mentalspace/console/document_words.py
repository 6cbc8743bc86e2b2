"""What the pages of documents say, to staff and, in their language, to a client."""

from __future__ import annotations

from collections.abc import Mapping

from mentalspace.console.notice_words import WORDS as NOTICE
from mentalspace.practice.saying.facts import Language

_WORDS: Mapping[str, Mapping[Language, str]] = {
    **NOTICE,
    "documents":   {"en": "Documents",
                    "es": "Documentos"},
    "your":        {"en": "Your documents",
                    "es": "Sus documentos"},
    "back":        {"en": "Your appointments",
                    "es": "Sus citas"},
    "log_out":     {"en": "Log out",
                    "es": "Cerrar sesión"},
    "marked":      {"en": "The document is marked as Part 2.",
                    "es": "El documento está marcado como Parte 2."},
    "all_marked":  {"en": "Each document of this client is marked as Part 2 as it comes.",
                    "es": "Cada documento nuevo de este cliente se marca como Parte 2."},
    "none_marked": {"en": "New documents are marked no more. Those that are here stay marked.",
                    "es": "Los documentos nuevos ya no se marcan."},
    "unmarked":    {"en": "The Part 2 mark is taken off. The audit has your reason.",
                    "es": "Se quitó la marca de Parte 2."},
    "none":        {"en": "No documents yet.",
                    "es": "Todavía no hay documentos."},
    "most":        {"en": "The newest {number} are shown.",
                    "es": "Se muestran los {number} más recientes."},
    "name":        {"en": "Name",
                    "es": "Nombre"},
    "kind":        {"en": "Kind",
                    "es": "Tipo"},
    "size":        {"en": "Size",
                    "es": "Tamaño"},
    "added":       {"en": "Added",
                    "es": "Añadido"},
    "by":          {"en": "by {who}",
                    "es": "por {who}"},
    "state":       {"en": "State",
                    "es": "Estado"},
    "is_clean":    {"en": "Checked",
                    "es": "Revisado"},
    "is_waiting":  {"en": "Being checked",
                    "es": "En revisión"},
    "is_infected": {"en": "Sealed: found harmful",
                    "es": "Sellado: es dañino"},
    "is_released": {"en": "Released after a check",
                    "es": "Liberado tras revisarlo"},
    "copy":        {"en": "Copy",
                    "es": "Copia"},
    "you":         {"en": "you",
                    "es": "usted"},
    "client":      {"en": "the client",
                    "es": "el cliente"},
    "practice":    {"en": "the practice",
                    "es": "el consultorio"},
    "add":         {"en": "Add a document",
                    "es": "Añadir un documento"},
    "file":        {"en": "File",
                    "es": "Archivo"},
    "takes":       {"en": "PDF, JPEG or PNG, up to {most}.",
                    "es": "PDF, JPEG o PNG, hasta {most}."},
    "drop":        {"en": "Several at once are fine, and so is dropping them here.",
                    "es": "Puede elegir varios a la vez o soltarlos aquí."},
    "upload":      {"en": "Upload",
                    "es": "Subir"},
    "add_card":    {"en": "Add an insurance card",
                    "es": "Añadir la tarjeta del seguro"},
    "card_help":   {"en": "On a telephone this opens the camera. Lay the card on something dark "
                          "and hold still; the place where a photo was taken is not sent along.",
                    "es": "En un teléfono se abre la cámara. Ponga la tarjeta sobre algo oscuro "
                          "y no se mueva; el lugar donde se tomó la foto no se envía."},
    "front":       {"en": "Front",
                    "es": "Anverso"},
    "rear":        {"en": "Back",
                    "es": "Reverso"},
    "scan":        {"en": "A scan of the card",
                    "es": "Una copia escaneada de la tarjeta"},
    "photo_front": {"en": "Photo of the front",
                    "es": "Foto del anverso"},
    "photo_back":  {"en": "Photo of the back",
                    "es": "Foto del reverso"},
    "use":         {"en": "Use this photo",
                    "es": "Usar esta foto"},
    "retake":      {"en": "Take it again",
                    "es": "Repetir la foto"},
    "download":    {"en": "Download",
                    "es": "Descargar"},
    "no_preview":  {"en": "This type is not shown here. Download it.",
                    "es": "Este tipo no se muestra aquí. Descárguelo."},
    "preview":     {"en": "Preview",
                    "es": "Vista previa"},
    "stored":      {"en": "The document is here.",
                    "es": "El documento está aquí."},
    "waiting":     {"en": "It is being checked. Look again in a moment.",
                    "es": "Se está revisando. Vuelva a mirar en un momento."},
    "sealed":      {"en": "It was found to be harmful and is sealed. The front desk knows of it.",
                    "es": "Se encontró que es dañino y está sellado. La recepción lo sabe."},
    "refused":     {"en": "Nothing was added: {why}",
                    "es": "No se añadió nada: {why}"},
    "may_not":     {"en": "You may look at these documents and add none.",
                    "es": "Puede ver estos documentos, pero no añadir ninguno."},
    # Why a form was refused.
    "EntityTooLarge":  {"en": "the file is larger than {most}.",
                        "es": "el archivo ocupa más de {most}."},
    "InvalidMimeType": {"en": "only PDF, JPEG and PNG are taken, and the file must be what its "
                              "name says.",
                        "es": "solo se admiten PDF, JPEG y PNG, y el archivo debe ser lo que dice "
                              "su nombre."},
    "Harmful":         {"en": "the file was found to be harmful. The front desk knows of it.",
                        "es": "el archivo puede ser dañino. La recepción lo sabe."},
    "AccessDenied":    {"en": "you may add none of this kind for this client.",
                        "es": "no puede añadir documentos de este tipo."},
    "stale":           {"en": "the page was open too long. Choose the file again.",
                        "es": "la página estuvo abierta demasiado tiempo. Elija el archivo "
                              "otra vez."},
    "empty":           {"en": "choose a file first.",
                        "es": "elija primero un archivo."},
    "other":           {"en": "it could not be kept. Try again in a moment.",
                        "es": "no se pudo guardar. Inténtelo de nuevo en un momento."},
    # Buckets.
    "client-documents":       {"en": "Document",
                               "es": "Documento"},
    "client-insurance-cards": {"en": "Insurance card",
                               "es": "Tarjeta del seguro"},
    "telehealth-consents":    {"en": "Consent",
                               "es": "Consentimiento"},
    "client-signatures":      {"en": "Signature",
                               "es": "Firma"},
}  # fmt: skip

# A copy's state: tone and words. Clients are told nothing of it.
_COPIES: Mapping[str, tuple[str, str]] = {
    "pending": ("info", "Landed here; its copy waits"),
    "due": ("info", "Landed here; its copy waits"),
    "sending": ("info", "Landed here; being copied"),
    "unknown": ("warn", "Landed here; whether it was copied is looked up"),
    "accepted": ("ok", "Copied; not read back yet"),
    "delivered": ("ok", "Copied and checked"),
    "held": ("warn", "Landed here; its copy waits for a person"),
    "cancelled": ("idle", "Landed here; not copied"),
}
_ALONE = ("idle", "Landed here, kept here alone")
_HELD_BACK: Mapping[str, tuple[str, str]] = {
    "waiting": ("info", "Not copied while it is being checked"),
    "infected": ("idle", "Not copied: it is sealed"),
}
_FAILED = ("bad", "Landed here; not copied")


# Of each state its shape's tone; the word says the rest.
_STATES: Mapping[str, tuple[str, str]] = {
    "waiting": ("info", "wait"),
    "infected": ("bad", "lock"),
    "clean": ("ok", "ok"),
    "released": ("warn", "warn"),
}


def say(name: str, language: Language, **given: object) -> str:
    return _WORDS[name][language].format(**given)


def why(code: str, language: Language, **given: object) -> str:
    """Why the surface refused a form, by its code."""
    return say(code if code in _WORDS else "other", language, **given)


def state(scanned: str, language: Language) -> dict[str, str]:
    """Whether it was looked at, in words, with a tone and a shape."""
    tone, shape = _STATES[scanned]
    return {"tone": tone, "shape": shape, "word": say(f"is_{scanned}", language)}


def copy_state(status: str | None, scanned: str) -> tuple[str, str]:
    """What is not found clean leaves for nowhere, whether there is a provider or not."""
    if status is None:
        return _HELD_BACK.get(scanned, _ALONE)
    return _COPIES.get(status, _FAILED)


def size(size_bytes: int) -> str:
    """`812 kB`, `12.3 MB`; a megabyte is a million bytes, as the limits say."""
    if size_bytes < 1000:
        return f"{size_bytes}\N{NO-BREAK SPACE}B"
    if size_bytes < 1_000_000:
        return f"{size_bytes / 1000:.0f}\N{NO-BREAK SPACE}kB"
    megabytes = f"{size_bytes / 1_000_000:.1f}".removesuffix(".0")
    return f"{megabytes}\N{NO-BREAK SPACE}MB"
