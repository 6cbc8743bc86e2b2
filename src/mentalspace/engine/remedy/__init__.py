"""What a person may do about an incident: first what it would do, in numbers, then the act."""

from mentalspace.engine.remedy.act import Done, act, act_on_credential
from mentalspace.engine.remedy.preflight import NAMES, Name, Preflight, preflight, preflights
from mentalspace.engine.remedy.standing import Fallback, Standing, read_credential, read_standing

__all__ = [
    "NAMES",
    "Done",
    "Fallback",
    "Name",
    "Preflight",
    "Standing",
    "act",
    "act_on_credential",
    "preflight",
    "preflights",
    "read_credential",
    "read_standing",
]
