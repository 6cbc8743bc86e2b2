"""The kinds of value a request may hold, checked as strictly as a calendar file's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from mentalspace.practice.calendar_file.field import (
    MAX_DURATION_MIN,
    Mistakes,
    read_email,
    read_id,
    read_language,
    read_name,
    read_phone,
    read_zone,
)

T = TypeVar("T")
_LONGEST = 1000
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class Body(BaseModel):
    """A request's body: a field nobody knows is a mistake, not noise."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """An answer's body."""


def _wrong(code: str, text: str, cure: str) -> PydanticCustomError:
    return PydanticCustomError(code, "{text}", {"text": text, "cure": cure})


def _instant(value: Any) -> datetime:
    cure = "write it like 2026-11-23T15:30:00-05:00 (in an address, + is %2B)"
    try:
        moment = datetime.fromisoformat(value)
    except (ValueError, TypeError) as error:
        raise _wrong("not_an_instant", "it is not an ISO 8601 date and time", cure) from error
    if moment.tzinfo is None:
        raise _wrong("no_offset", "it does not say which offset from UTC it means", cure)
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        moment = datetime.max.replace(tzinfo=UTC)
    if not _FIRST <= moment < _LAST:
        raise _wrong("instant_range", "it lies outside the years 2000 to 2099", cure)
    return moment


def _read(read: Callable[[str, str, Mistakes], T]) -> Callable[[str], T]:
    """A calendar file's check as a validator: the same words for the same mistake."""

    def validate(value: str) -> T:
        mistakes = Mistakes(0)
        result = read(value, "", mistakes)
        if mistakes.found:
            mistake = mistakes.found[0]
            raise _wrong(mistake.code, mistake.text, mistake.cure)
        return result

    return validate


_Text = Annotated[str, Field(max_length=_LONGEST)]

Instant = Annotated[datetime, BeforeValidator(_instant)]
Minutes = Annotated[int, Field(strict=True, ge=1, le=MAX_DURATION_MIN)]
ExternalId = Annotated[_Text, AfterValidator(_read(read_id))]
Name = Annotated[_Text, AfterValidator(_read(read_name))]
Email = Annotated[_Text, AfterValidator(_read(read_email))]
Phone = Annotated[_Text, AfterValidator(_read(read_phone))]
Zone = Annotated[_Text, AfterValidator(_read(read_zone))]
Language = Annotated[_Text, AfterValidator(_read(read_language))]
