"""How long a delivery waits for its next try."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from uuid import uuid4

from mentalspace.engine.claim import Claimed
from mentalspace.engine.runbook import load_runbooks
from mentalspace.engine.settle import Failure, _delay_s
from mentalspace.integrations import discover_rooms
from mentalspace.kernel.errors import Evidence

CASE = load_runbooks(list(discover_rooms().values()), None).case("email.rate_limited")


class Longest(Random):
    """Chance that always says the most."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def failure(attempts: int, retry_after_s: float) -> Failure:
    claimed = Claimed(
        id=uuid4(),
        practice_id=uuid4(),
        lane_id=uuid4(),
        credential_id=uuid4(),
        client_id=None,
        subject_id=None,
        integration="email",
        idempotency_key="k",
        payload=b"x",
        bypass_guard=False,
        carries_phi=True,
        suppressed=None,
        attempts=attempts,
        starts=1,
        was_unknown=False,
        first_attempt_age_s=0.0,
        expired=False,
        traceparent="00-" + "0" * 32 + "-" + "0" * 16 + "-01",
        drill=None,
        token=uuid4(),
    )
    evidence = Evidence("http", http=429, retry_after_s=retry_after_s)
    return Failure([claimed], None, evidence, CASE)


def test_a_short_retry_after_does_not_use_up_the_attempts() -> None:
    """Told "two seconds" each time, the eighth try still waits as long as backoff may."""
    assert _delay_s(failure(8, 2.0), Longest(), 2.0) == 512.0


def test_retry_after_is_a_floor() -> None:
    """However chance falls, nothing goes sooner than the provider asked."""
    random = Random(7)
    asked = failure(0, 30.0)
    assert min(_delay_s(asked, random, 30.0) for _ in range(200)) >= 30.0
    unasked = replace(asked, evidence=Evidence("http", http=503))
    assert min(_delay_s(unasked, random, None) for _ in range(200)) < 1.0
