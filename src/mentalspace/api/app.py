"""Puts the API together: its routes, its edge, and the pages that `main` adds."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from fastapi import APIRouter, FastAPI

from mentalspace.api import (
    acts,
    agreements,
    alertmanager,
    alerts,
    appointments,
    audit,
    clients,
    consent,
    dead_letters,
    deliveries,
    former,
    health,
    hooks,
    imports,
    incidents,
    lanes,
    me,
    metrics,
    not_reached,
    oncall,
    problem,
    reference,
    reminders,
    suppressions,
    tasks,
    test_mode,
    texts,
    tickets,
)
from mentalspace.api.edge import Edge
from mentalspace.api.http_meter import HttpMeter
from mentalspace.engine.services import Services
from mentalspace.engine.trace import RequestLog

_ROUTES = (
    health,
    metrics,
    alertmanager,
    hooks,
    me,
    appointments,
    clients,
    consent,
    dead_letters,
    deliveries,
    suppressions,
    reminders,
    tasks,
    texts,
    not_reached,
    imports,
    incidents,
    tickets,
    former,  # before the acts, whose address takes any name
    test_mode,
    acts,
    lanes,
    alerts,
    oncall,
    agreements,
    audit,
)


def create_app(
    services: Services,
    *,
    routers: Sequence[APIRouter] = (),
    streams: Sequence[str] = (),
    requests: RequestLog | None = None,
) -> FastAPI:
    """The ASGI application. `routers` are further doors: the console's pages. `streams` are the
    beginnings of their addresses that measure for themselves what is sent to them. `requests` is
    told of those that traces are to tell of.

    Rooms that declare `routes` are mounted as well. Nothing is opened or closed here.
    """
    app = FastAPI(
        title="MentalSpace",
        version=version("mentalspace"),
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.services = services
    meter = HttpMeter()
    app.state.exposition = metrics.exposition_of(services, meter)
    app.openapi = lambda: reference.describe(app)  # type: ignore[method-assign]
    problem.install(app)
    for module in _ROUTES:
        app.include_router(module.routes)
    app.include_router(reference.routes)
    for room in services.rooms.values():
        if room.routes is not None:
            app.include_router(room.routes())
    for router in routers:
        app.include_router(router)
    settings = services.settings
    app.add_middleware(
        Edge,
        is_production=settings.is_production,
        site_url=settings.site_url,
        meter=meter,
        clock=services.clock,
        requests=requests,
        streams=(*streams, *(path for room in services.rooms.values() for path in room.streams)),
    )
    return app
