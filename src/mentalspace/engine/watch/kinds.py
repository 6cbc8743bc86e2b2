"""Which kind of rule looks how."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mentalspace.engine.runbook import AlertKind
from mentalspace.engine.watch.absence import look_at_absence
from mentalspace.engine.watch.breaker import look_at_breakers
from mentalspace.engine.watch.burn import look_at_burn
from mentalspace.engine.watch.callbacks import look_at_callbacks
from mentalspace.engine.watch.cost import look_at_cost
from mentalspace.engine.watch.gauge import look_at_gauges
from mentalspace.engine.watch.look import Watch
from mentalspace.engine.watch.lost_callbacks import look_at_lost_callbacks
from mentalspace.engine.watch.paused import look_at_pauses
from mentalspace.engine.watch.rate import look_at_rates
from mentalspace.engine.watch.refused import look_at_refused
from mentalspace.engine.watch.streak import look_at_streaks
from mentalspace.engine.watch.undelivered import look_at_undelivered
from mentalspace.engine.watch.waiting import look_at_waiting

WATCHES: Mapping[AlertKind, Watch] = MappingProxyType(
    {
        AlertKind.CASE: look_at_streaks,
        AlertKind.CONSECUTIVE: look_at_streaks,
        AlertKind.PAUSED: look_at_pauses,
        AlertKind.RATE: look_at_rates,
        AlertKind.BURN: look_at_burn,
        AlertKind.ABSENCE: look_at_absence,
        AlertKind.COST: look_at_cost,
        AlertKind.QUEUE_AGE: look_at_waiting,
        AlertKind.BREAKER: look_at_breakers,
        AlertKind.CALLBACKS: look_at_callbacks,
        AlertKind.LOST_CALLBACKS: look_at_lost_callbacks,
        AlertKind.REFUSED: look_at_refused,
        AlertKind.UNDELIVERED: look_at_undelivered,
        AlertKind.GAUGE: look_at_gauges,
    }
)
