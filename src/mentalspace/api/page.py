"""Lists a page at a time, by a cursor that stays right while rows come and go."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, BaseModel
from pydantic_core import PydanticCustomError

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """`next` is the cursor of the page after this one; null on the last."""

    items: list[T]
    next: str | None


def page(
    rows: Sequence[Mapping[str, Any]], limit: int, by: str, model: Callable[..., T]
) -> Page[T]:
    """`rows` hold one more than `limit` if there are more; `by` and `id` are their order."""
    shown = rows[:limit]
    following = None
    if len(rows) > limit:
        following = _encode(shown[-1][by], shown[-1]["id"])
    return Page(items=[model(**dict(row)) for row in shown], next=following)


def position(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    """Where the page before ended."""
    return (None, None) if cursor is None else _decode(cursor)


def _encode(at: datetime, row_id: UUID) -> str:
    text = json.dumps([at.isoformat(), row_id.hex])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[datetime, UUID]:
    try:
        at, row_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError("a cursor of ours has an offset")
        return moment, UUID(row_id)
    except (ValueError, TypeError, AttributeError, binascii.Error, RecursionError) as error:
        raise PydanticCustomError(
            "cursor_unreadable",
            "{text}",
            {"text": "it is not a cursor of this list", "cure": "send `next` as it was given"},
        ) from error


def _readable(cursor: str) -> str:
    _decode(cursor)
    return cursor


Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Cursor = Annotated[
    str | None,
    Query(max_length=200, description="`next` of the page before."),
    AfterValidator(lambda cursor: None if cursor is None else _readable(cursor)),
]
