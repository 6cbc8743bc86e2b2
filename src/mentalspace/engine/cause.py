"""What a message's trouble began with, apart from what it became; in SQL, for whoever tells it.

A question about an unknown outcome is an attempt as well. Where its answer leaves the outcome as
unknown as it was, it is a later state of the trouble: the cause is what the sending met.
"""

from __future__ import annotations

# Of a row `a` of `attempt`.
LATER = "(a.purpose = 'reconcile' and a.disposition = 'reconcile')"
_ATTEMPTS = "from attempt_delivery ad join attempt a on a.id = ad.attempt_id where ad.delivery_id"


def sent_into(delivery: str, at: str) -> str:
    """The case that a delivery's last sending before `at` met, null without any."""
    return (
        f"(select a.case_id {_ATTEMPTS} = {delivery} and a.purpose = 'send'"
        f" and a.started_at <= {at} order by a.started_at desc limit 1)"
    )


# Of a row `d` of `delivery`: its last case, unless that is only what a question was answered.
CAUSE = f"""
case when d.last_case is not null
      and exists (select {_ATTEMPTS} = d.id and {LATER} and a.case_id = d.last_case)
     then coalesce({sent_into("d.id", "app.now()")}, d.last_case) else d.last_case end
"""
