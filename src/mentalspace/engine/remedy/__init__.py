"""What a person may do about an incident: first what it would do, in numbers, then the act."""

from mentalspace.engine.remedy.act import Done, act
from mentalspace.engine.remedy.preflight import NAMES, Name, Preflight, preflight, preflights
from mentalspace.engine.remedy.standing import Fallback, Standing, read_standing

__all__ = [
    "NAMES",
    "Done",
    "Fallback",
    "Name",
    "Preflight",
    "Standing",
    "act",
    "preflight",
    "preflights",
    "read_standing",
]
