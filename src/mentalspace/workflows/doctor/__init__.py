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

__all__ = [
    "AlertLine",
    "CredentialLine",
    "Report",
    "RoomFinding",
    "Standing",
    "StatusLine",
    "Verdict",
    "examine",
    "read_status",
    "why",
]
