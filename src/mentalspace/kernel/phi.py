"""Protected health information as a type, so that it cannot be printed by accident."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Phi(Generic[T]):
    """Wraps a value that identifies or describes a client.

    `str`, `repr` and f-strings show `‹phi›`; only `.reveal()` gives the value, and a call to
    it is what a reviewer looks for.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """The value itself, for the one place that must have it."""
        return self._value

    def __repr__(self) -> str:
        return "‹phi›"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return "‹phi›"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Phi) and bool(self._value == other._value)

    def __hash__(self) -> int:
        return hash(("phi", self._value))

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("protected health information is not pickled")
