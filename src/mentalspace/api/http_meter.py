"""Counts the requests that this process answers. Every process counts its own: whoever scrapes
several tells them apart by their address."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class HttpMeter:
    """Labels are a route's pattern, a known method and a status: nothing that a visitor typed."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "mentalspace_http_requests",
            "Requests that this process answered",
            ("method", "path_template", "http"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "mentalspace_http_request_seconds",
            "How long it took to answer them",
            ("method", "path_template"),
            buckets=_BOUNDS,
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def note(self, method: str, path_template: str, http: int | None, took_s: float) -> None:
        """`http` None: nobody was there any more to be answered."""
        self._requests.labels(method, path_template, str(http or "none")).inc()
        self._seconds.labels(method, path_template).observe(took_s)

    def collect(self) -> Iterable[Metric]:
        return self._registry.collect()
