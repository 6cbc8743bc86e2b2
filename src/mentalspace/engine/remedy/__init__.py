"""What a person may do about an incident: first what it would do, in numbers, then the act."""

from mentalspace.engine.remedy.act import Done, act, act_on_credential
from mentalspace.engine.remedy.named import WITHOUT_INCIDENT, Named, find_named
from mentalspace.engine.remedy.preflight import NAMES, Name, Preflight, preflight, preflights
from mentalspace.engine.remedy.standing import Fallback, Standing, read_credential, read_standing
from mentalspace.engine.remedy.together import (
    DoneTogether,
    One,
    act_together,
    preflights_together,
    read_all,
)

__all__ = [
    "NAMES",
    "WITHOUT_INCIDENT",
    "Done",
    "DoneTogether",
    "Fallback",
    "Name",
    "Named",
    "One",
    "Preflight",
    "Standing",
    "act",
    "act_on_credential",
    "act_together",
    "find_named",
    "preflight",
    "preflights",
    "preflights_together",
    "read_all",
    "read_credential",
    "read_standing",
]
