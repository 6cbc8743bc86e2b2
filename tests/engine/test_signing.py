"""Tokens in links: ours alone, for one purpose, through a change of keys."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mentalspace.engine.signing import SignatureBroken, Signed, Signer, derive_keys

MASTER = b"m" * 32
UNTIL = datetime(2027, 3, 14, 15, 0, tzinfo=UTC)
OLD = Signer(derive_keys(MASTER, ["1"]))
BOTH = Signer(derive_keys(MASTER, ["2", "1"]))
NEW = Signer(derive_keys(MASTER, ["2"]))


@given(st.binary(max_size=64), st.text(min_size=1, max_size=20))
def test_what_was_signed_is_opened(body: bytes, purpose: str) -> None:
    """Body and expiry come back whole, from a token that any address may carry."""
    token = OLD.sign(purpose, body, UNTIL)
    assert OLD.open(purpose, token) == Signed(body, UNTIL)
    assert token.isascii() and set(token) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
    )


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=127))
def test_one_changed_character_breaks_it(where: int, by: int) -> None:
    """No other text is the same token: not another byte, not another spelling of the last."""
    token = OLD.sign("answer", b"appointment", UNTIL)
    at = where % len(token)
    bent = token[:at] + chr((ord(token[at]) + by) % 128) + token[at + 1 :]
    with pytest.raises(SignatureBroken):
        OLD.open("answer", bent)


@given(st.text(max_size=100))
def test_whatever_else_comes_is_refused(text: str) -> None:
    """Anything that is no token of ours is refused in one way."""
    with pytest.raises(SignatureBroken):
        BOTH.open("answer", text)


def test_a_purpose_is_not_another() -> None:
    """A token for one thing opens nothing else."""
    with pytest.raises(SignatureBroken):
        OLD.open("reset", OLD.sign("answer", b"x", UNTIL))


def test_rotation_loses_nothing_while_the_old_key_is_listed() -> None:
    """The new key signs, the old one's tokens open until it is taken out, and other masters' keys
    of the same name open nothing."""
    before = OLD.sign("answer", b"x", UNTIL)
    assert BOTH.open("answer", before).body == b"x"
    after = BOTH.sign("answer", b"x", UNTIL)
    assert NEW.open("answer", after).body == b"x"
    for signer, token in ((NEW, before), (OLD, after)):
        with pytest.raises(SignatureBroken):
            signer.open("answer", token)
    with pytest.raises(SignatureBroken):
        Signer(derive_keys(b"n" * 32, ["1"])).open("answer", before)
