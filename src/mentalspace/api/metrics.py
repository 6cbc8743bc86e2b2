"""What Prometheus scrapes: counts of the whole installation, and this process's requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from ipaddress import ip_address

from fastapi import APIRouter
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from mentalspace.api.bearer import require_bearer
from mentalspace.api.http_meter import HttpMeter
from mentalspace.api.problem import not_found
from mentalspace.api.visit import services_of
from mentalspace.engine.log import get_logger
from mentalspace.engine.metrics import (
    FAMILIES,
    Known,
    Sample,
    families_of,
    known_of,
    read_gauges,
    read_tally,
)
from mentalspace.engine.services import Services

# Several who scrape at once, and impatient ones, get the same reading.
KEPT_S = 5.0
READ_WITHIN_S = 5.0
# Whoever forwards a request says so, usually; a proxy on this machine is no neighbour of ours.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

log = get_logger(__name__)
routes = APIRouter(tags=["metrics"])


@routes.get(
    "/metrics",
    summary="Metrics in Prometheus's text format",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {}}, "description": "The series."},
        401: {"description": "The token is missing or wrong."},
        404: {"description": "Closed without a token, except to a demo's own machine."},
    },
)
async def metrics(request: Request) -> Response:
    """With MENTALSPACE_METRICS_TOKEN set, to whoever sends it as a bearer token. Without one, in a
    demo, to this machine; production then keeps it closed."""
    services = services_of(request)
    _let_in(request, services)
    exposition: Exposition = request.app.state.exposition
    text = generate_latest(_Fixed([*await exposition.read(), *exposition.meter.collect()]))
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _let_in(request: Request, services: Services) -> None:
    token = services.settings.metrics_token
    if token is not None:
        require_bearer(request, token, "MENTALSPACE_METRICS_TOKEN")
    elif services.settings.is_production or not _is_from_here(request):
        raise not_found()


def _is_from_here(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False


@dataclass(slots=True)
class Exposition:
    """The installation's series, read at most every few seconds.

    A total never goes back: where a later word of a provider moves a message to another label, the
    old label stays as high as it was, for less would be taken for a restart.
    """

    services: Services
    known: Known
    meter: HttpMeter
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _read_at: float = -KEPT_S
    _families: list[Metric] = field(default_factory=list)
    _highest: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)

    async def read(self) -> list[Metric]:
        async with self._turn:
            if time.monotonic() - self._read_at >= KEPT_S:
                self._families = await self._read_anew()
                self._read_at = time.monotonic()
        return self._families

    async def _read_anew(self) -> list[Metric]:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                samples = [*await self._counted(), Sample("database_up", {}, 1.0)]
        except Exception as error:  # whatever it is: a scrape must say that there is nothing
            log.warning("metrics_not_read", error=type(error).__name__)
            samples = [Sample("database_up", {}, 0.0)]
        mode = self.services.settings.mode.value
        samples += [
            Sample("read_seconds", {}, time.perf_counter() - began),
            Sample("build_info", {"version": version("mentalspace"), "mode": mode}, 1.0),
        ]
        practices = self.services.settings.metrics_practices
        families = list(families_of(samples, practices=practices))
        for family in families:
            if FAMILIES[family.name.removeprefix("mentalspace_")].kind != "gauge":
                self._hold_up(family)
        return families

    async def _counted(self) -> list[Sample]:
        async with self.services.database.as_dispatcher() as connection:
            counted = [
                *await read_tally(connection, self.known),
                *await read_gauges(connection),
            ]
        depth = await self.services.queue.depth()
        zeros = self.known.zeros
        if self.services.settings.metrics_practices:
            zeros = _of_each_practice(zeros, counted)
        return [*zeros, *counted, Sample("wakeups", {}, depth)]

    def _hold_up(self, family: Metric) -> None:
        for number, sample in enumerate(family.samples):
            key = (sample.name, tuple(sorted(sample.labels.items())))
            highest = max(sample.value, self._highest.get(key, 0.0))
            self._highest[key] = highest
            family.samples[number] = sample._replace(value=highest)


def exposition_of(services: Services, meter: HttpMeter) -> Exposition:
    return Exposition(services, known_of(services.runbooks, services.rooms), meter)


def _of_each_practice(zeros: tuple[Sample, ...], counted: list[Sample]) -> tuple[Sample, ...]:
    practices = {sample.practice_id for sample in counted if sample.name == "breakers"}
    return tuple(replace(zero, practice_id=one) for one in practices for zero in zeros)


class _Fixed(Collector):
    """What was collected already, for the library's writer."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)
