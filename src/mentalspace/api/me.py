"""Who am I: for a program that wants to know what it may do before it tries."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from mentalspace.api.fields import Out
from mentalspace.api.visit import Visit, signed_in
from mentalspace.practice.person import PERMISSIONS, Permission, Role

routes = APIRouter(tags=["me"])


class Me(Out):
    """`csrf` goes into X-CSRF-Token; null for whoever came with a token."""

    user_id: UUID
    role: Role
    practice_id: UUID | None
    practice_name: str | None
    permissions: list[Permission]
    csrf: str | None


@routes.get("/v1/me", summary="Who is signed in, and what they may do")
async def me(visit: Annotated[Visit, Depends(signed_in)]) -> Me:
    person = visit.person
    return Me(
        user_id=person.user_id,
        role=person.role,
        practice_id=person.practice_id,
        practice_name=person.practice_name,
        permissions=sorted(PERMISSIONS[person.role]),
        csrf=person.csrf or None,
    )
