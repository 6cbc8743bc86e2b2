"""The doctor: what is wrong in a room, whose it is, and what a person does; in one report."""

from mentalspace.workflows.doctor.examine import examine, read_status
from mentalspace.workflows.doctor.report import (
    AlertLine,
    CredentialLine,
    Report,
    RoomFinding,
    StatusLine,
)
from mentalspace.workflows.doctor.verdict import Verdict
from mentalspace.workflows.doctor.why import Standing, why
from mentalspace.workflows.doctor.witness import Witness, ask_around

__all__ = [
    "AlertLine",
    "CredentialLine",
    "Report",
    "RoomFinding",
    "Standing",
    "StatusLine",
    "Verdict",
    "Witness",
    "ask_around",
    "examine",
    "read_status",
    "why",
]
