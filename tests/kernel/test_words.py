"""The kernel's small words: states and their moves, ids, traces, time, evidence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mentalspace.kernel.clock import OffsetClock
from mentalspace.kernel.delivery import TERMINAL, TRANSITIONS, Status, may_move
from mentalspace.kernel.errors import Evidence, ProviderError
from mentalspace.kernel.ids import child_traceparent, new_traceparent
from mentalspace.kernel.integration import Credential
from mentalspace.kernel.phi import Phi

statuses = st.sampled_from(Status)


@given(st.lists(statuses, max_size=20))
def test_an_ending_is_the_end(events: list[Status]) -> None:
    """Whatever events come in whatever order, once a delivery has ended nothing moves it."""
    status, ended = Status.ACCEPTED, None
    for event in events:
        if may_move(status, event):
            assert ended is None
            status = event
        ended = status if status in TERMINAL else None
    assert status in {Status.ACCEPTED, *TERMINAL}


def test_what_was_accepted_is_never_sent_again() -> None:
    """From accepted no path leads back to sending, directly or by a detour."""
    reached, edge = {Status.ACCEPTED}, [Status.ACCEPTED]
    while edge:
        for after in TRANSITIONS[edge.pop()] - reached:
            reached.add(after)
            edge.append(after)
    assert reached == {Status.ACCEPTED, Status.DELIVERED, Status.BOUNCED, Status.FAILED}


def test_every_state_can_end() -> None:
    """From each state that is no ending some path leads to one: nothing waits for ever."""
    for status in Status:
        reached, edge = {status}, [status]
        while edge:
            for after in TRANSITIONS[edge.pop()] - reached:
                reached.add(after)
                edge.append(after)
        assert reached & TERMINAL


def test_nothing_unknown_is_retried_blindly() -> None:
    """An unknown outcome goes back to a worker or on to an answer, never to waiting as if new."""
    assert not TRANSITIONS[Status.UNKNOWN] & {Status.PENDING, Status.DUE, Status.EXPIRED,
                                              Status.CANCELLED}  # fmt: skip


def test_a_trace_is_kept_and_its_span_is_new() -> None:
    """An attempt carries its delivery's trace under a span of its own."""
    parent = new_traceparent()
    child = child_traceparent(parent)
    assert child.split("-")[1] == parent.split("-")[1]
    assert child.split("-")[2] != parent.split("-")[2]
    assert [len(part) for part in child.split("-")] == [2, 32, 16, 2]
    assert new_traceparent() != parent


def test_the_clock_goes_on_under_its_offset() -> None:
    """The demo's clock is ahead by its offset and does not stand still."""
    clock = OffsetClock(timedelta(days=3))
    first, second = clock.now(), clock.now()
    assert second > first
    assert timedelta(days=3) <= first - datetime.now(UTC) + timedelta(seconds=1)
    assert first.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("evidence", "says"),
    [
        (Evidence("http", http=403, code="invalid_api_key"), "403 invalid_api_key"),
        (Evidence("http", http=500), "500"),
        (Evidence("malformed", http=200), "200 (unreadable)"),
        (Evidence("reply", http=550, code="5.1.1"), "550 5.1.1"),
        (Evidence("timeout"), "timeout"),
        (Evidence("connect", code="ClientConnectorError"), "connect ClientConnectorError"),
    ],
)
def test_evidence_in_a_phrase(evidence: Evidence, says: str) -> None:
    """Evidence and the error that carries it say in a phrase what was answered."""
    assert evidence.summary() == says
    assert str(ProviderError(evidence)) == says


@given(st.text(min_size=9))
def test_a_providers_prose_stays_out_of_the_error(prose: str) -> None:
    """What the provider wrote may name a person: neither text nor repr of the error has it."""
    error = ProviderError(Evidence("http", http=422, code="no", message=Phi(prose)))
    for shown in (str(error), repr(error), repr(error.evidence)):
        assert prose not in shown or prose in "ProviderError('422 no')"


def test_a_credential_hides_its_secrets() -> None:
    """A credential as text shows its endpoint and nothing that opens it."""
    shown = repr(Credential("p", "default", "http://127.0.0.1", {"api_key": "re_secret"}, ""))
    assert "default" in shown
    assert "re_secret" not in shown
