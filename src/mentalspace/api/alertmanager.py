"""Where Alertmanager tells of the alerts that our exported rules fired."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.requests import Request

from mentalspace.api.bearer import require_bearer
from mentalspace.api.fields import Out
from mentalspace.api.problem import not_found
from mentalspace.api.visit import services_of
from mentalspace.engine.noticed import Noticed, Outcome, note_end, notice
from mentalspace.engine.runbook import Runbooks

routes = APIRouter(tags=["hooks"])

Label = Annotated[str, Field(max_length=1024)]


class Alert(BaseModel):
    """What we read of an alert; Alertmanager sends more."""

    model_config = ConfigDict(extra="ignore")

    status: Literal["firing", "resolved"]
    labels: dict[Label, Label] = Field(max_length=64)
    starts_at: AwareDatetime | None = Field(None, alias="startsAt")


class Notification(BaseModel):
    """Alertmanager's webhook, version 4.

    source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """

    model_config = ConfigDict(extra="ignore")

    version: Literal["4"]
    alerts: list[Alert] = Field(max_length=1000)


class Taken(Out):
    """How many opened an incident, how many belong to one that was open, and how many are not of
    our runbooks' rules and were left alone."""

    opened: int
    known: int
    ignored: int


@routes.post(
    "/v1/hooks/alertmanager",
    summary="Alertmanager's webhook",
    responses={
        401: {"description": "The token is missing or wrong."},
        404: {"description": "Closed: MENTALSPACE_ALERTMANAGER_TOKEN is not set."},
    },
    openapi_extra={"security": []},
)
async def alertmanager(request: Request, notification: Notification) -> Taken:
    """An alert of an exported rule opens an incident, or joins the one that our own evaluator
    opened for the same rule. A resolved one is noted and closes nothing: it may mean that
    nothing is scraped any more."""
    services = services_of(request)
    token = services.settings.alertmanager_token
    if token is None:
        raise not_found()
    require_bearer(request, token, "MENTALSPACE_ALERTMANAGER_TOKEN")
    outcomes: list[Outcome] = []
    async with services.database.as_dispatcher() as connection:
        for alert in notification.alerts:
            noticed = _noticed(services.runbooks, alert)
            if noticed is None:
                outcomes.append("ignored")
            elif alert.status == "firing":
                outcomes.append(await notice(connection, services.runbooks, noticed))
            else:
                outcomes.append(await note_end(connection, noticed))
    return Taken(
        opened=outcomes.count("opened"),
        known=outcomes.count("known"),
        ignored=outcomes.count("ignored"),
    )


def _noticed(runbooks: Runbooks, alert: Alert) -> Noticed | None:
    """None for an alert that is not by one of the runbooks' rules."""
    try:
        room, rule = runbooks.room_and_alert(alert.labels.get("rule", ""))
    except LookupError:
        return None
    provider = alert.labels.get("provider", "")
    known = {case.provider for case in room.cases}
    return Noticed(
        room=room.room,
        rule=rule,
        provider=provider if provider in known else None,
        since=alert.starts_at or datetime.now(UTC),
    )
