"""Tasks: what the runbook asks a person of the practice to look at."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter

from mentalspace.api.fields import Out
from mentalspace.api.page import Cursor, Limit, Page, page, position
from mentalspace.api.problem import not_found
from mentalspace.api.visit import Visit, allowed

routes = APIRouter(tags=["tasks"])

_COLUMNS = "id, for_role, text, case_id, delivery_id, client_id, state, created_at, done_at"
_LIST = f"""
select {_COLUMNS} from task
 where drill is null and ($1::text is null or state = $1) and ($2::text is null or for_role = $2)
   and ($3::timestamptz is null or (created_at, id) > ($3, $4::uuid))
 order by created_at, id limit $5
"""
# Done already stays as it was: the first who did it keeps the credit.
_DONE = f"""
update task set done_at = coalesce(done_at, app.now()), done_by = coalesce(done_by, $2),
       state = 'done'
 where id = $1 returning {_COLUMNS}
"""

Role = Literal["administrator", "clinician", "biller", "front_desk"]
State = Literal["open", "done"]


class Task(Out):
    """`for_role` is who should look; anybody of the practice's staff may."""

    id: UUID
    for_role: str
    text: str
    case_id: str | None
    delivery_id: UUID | None
    client_id: UUID | None
    state: State
    created_at: datetime
    done_at: datetime | None


@routes.get("/v1/tasks", summary="Tasks, oldest first")
async def tasks(
    visit: Annotated[Visit, allowed("tasks.read")],
    state: State | None = None,
    for_role: Role | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Task]:
    after_at, after_id = position(cursor)
    async with visit.reading() as connection:
        rows = await connection.fetch(_LIST, state, for_role, after_at, after_id, limit + 1)
    return page(rows, limit, "created_at", Task)


@routes.post("/v1/tasks/{task_id}/done", summary="It is done", responses={404: {}})
async def done(visit: Annotated[Visit, allowed("tasks.write")], task_id: UUID) -> Task:
    """Twice changes nothing."""
    async with visit.reading() as connection:
        row = await connection.fetchrow(_DONE, task_id, visit.person.user_id)
    if row is None:
        raise not_found()
    return Task(**dict(row))
