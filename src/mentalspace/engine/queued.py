"""What waits though it is due, and what only waits for its hour: one notion for whoever counts.

Fragments of SQL about a row `d` of `delivery` that has status, due_at and hours.
"""

from __future__ import annotations

_DUE = "d.due_at <= app.now()"
# Due, and to leave no sooner than its hours allow, whatever else is well or not.
RESTS = (
    f"(d.status in ('pending', 'due') and {_DUE} and d.hours is not null"
    " and not app.is_open(d.hours, app.now()))"
)
# Due, free to leave, and still here: its lane stands still, its provider fails, nobody takes it.
WAITS = (
    f"({_DUE} and (d.status = 'sending' or d.status in ('pending', 'due')"
    " and (d.hours is null or app.is_open(d.hours, app.now()))))"
)
# Whichever of both it is, it is among these, found by an index in a ledger whose reminders wait for
# weeks: what is due and still pending waits for its hours, and those begin within a day.
NEAR = (
    "(d.status in ('due', 'sending', 'unknown', 'held')"
    " or (d.status = 'pending' and d.next_attempt_at <= app.now() + interval '1 day'))"
)
# It came to a lane outside its hours: how long it took since is nobody's fault.
RESTED = "exists (select from timeline t where t.delivery_id = d.id and t.kind = 'held_for_hours')"
