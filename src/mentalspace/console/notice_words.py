"""What pages say around the notice of 42 CFR Part 2; the statement itself is the regulation's."""

from __future__ import annotations

from collections.abc import Mapping

from mentalspace.practice.saying.facts import Language

WORDS: Mapping[str, Mapping[Language, str]] = {
    "part2":         {"en": "Part 2",
                      "es": "Parte 2"},
    "part2_is":      {"en": "Protected by federal law",
                      "es": "Protegido por ley federal"},
    "part2_says":    {"en": "This is part of a record of treatment for alcohol or drug use. "
                            "Whoever receives it may use it and pass it on only as these rules "
                            "allow.",
                      "es": "Forma parte de un expediente de tratamiento por consumo de alcohol o "
                            "drogas. Quien lo reciba solo puede usarlo y compartirlo como lo "
                            "permiten estas normas. El aviso legal está en inglés."},
    "part2_given":   {"en": "You were given a document from a record of treatment for alcohol or "
                            "drug use. You may use it and pass it on only as these rules allow.",
                      "es": "Recibió un documento de un expediente de tratamiento por consumo de "
                            "alcohol o drogas. Solo puede usarlo y compartirlo como lo permiten "
                            "estas normas. El aviso legal está en inglés."},
    "part2_all":     {"en": "The whole notice (42 CFR § 2.32)",
                      "es": "El aviso completo (42 CFR § 2.32), en inglés"},
    "part2_title":   {"en": "Notice to accompany disclosure",
                      "es": "Aviso que acompaña a la divulgación"},
    "part2_bundle":  {"en": "Download with the notice (ZIP)",
                      "es": "Descargar con el aviso (ZIP)"},
}  # fmt: skip
