"""The notice of 42 CFR § 2.32, which goes with every labelled file that is given out.

The statements are the regulation's own, a work of the United States, as amended by 89 FR 12472
(February 16, 2024). Either satisfies paragraph (a): the short one goes where a line goes, the long
one where there is a page.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Label: TypeAlias = Literal["part2"]

PART2: Label = "part2"
SECTION = "42 CFR § 2.32"
# On the console, for anybody.
PAGE = "/notices/42-cfr-part-2"

# source: https://www.ecfr.gov/current/title-42/section-2.32
SHORT = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."
LONG: tuple[str, ...] = (
    "This record which has been disclosed to you is protected by Federal confidentiality rules"
    " (42 CFR part 2). These rules prohibit you from using or disclosing this record, or testimony"
    " that describes the information contained in this record, in any civil, criminal,"
    " administrative, or legislative proceedings by any Federal, State, or local authority, against"
    " the patient, unless authorized by the consent of the patient, except as provided at 42 CFR"
    " 2.12(c)(5) or as authorized by a court in accordance with 42 CFR 2.64 or 2.65. In addition,"
    " the Federal rules prohibit you from making any other use or disclosure of this record unless"
    " at least one of the following applies:",
    "(i) Further use or disclosure is expressly permitted by the written consent of the individual"
    " whose information is being disclosed in this record or as otherwise permitted by 42 CFR"
    " part 2.",
    "(ii) You are a covered entity or business associate and have received the record for"
    " treatment, payment, or health care operations, or",
    "(iii) You have received the record from a covered entity or business associate as permitted by"
    " 45 CFR part 164, subparts A and E.",
    "A general authorization for the release of medical or other information is NOT sufficient to"
    " meet the required elements of written consent to further use or redisclose the record (see 42"
    " CFR 2.31).",
)


def headers_of(label: str | None, site_url: str) -> dict[str, str]:
    """What an answer says of a labelled file; nothing of another."""
    if label is None:
        return {}
    return {
        "x-document-label": label,
        "x-redisclosure-notice": SHORT,
        "link": f'<{site_url}{PAGE}>; rel="describedby"; title="42 CFR 2.32"',
    }


def fields_of(label: str | None, site_url: str) -> dict[str, str]:
    """The same in JSON. What carries no label is answered as Supabase answers it."""
    if label is None:
        return {}
    return {"label": label, "notice": SHORT, "notice_url": f"{site_url}{PAGE}"}
