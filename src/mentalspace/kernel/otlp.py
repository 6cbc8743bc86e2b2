"""Where traces go: OpenTelemetry's own variables, read like every other setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
_SPOKEN = "http/protobuf"


@dataclass(frozen=True, slots=True)
class Otlp:
    """`url` takes the spans as they are posted; `headers` may hold a collector's secret."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    service: str


def read_otlp(environment: Mapping[str, str], mistakes: list[str]) -> Otlp | None:
    """None where no endpoint is set. What is wrong is added to `mistakes`, without any value.

    source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/
    """
    base = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    whole = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    headers = environment.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    protocol = environment.get("OTEL_EXPORTER_OTLP_PROTOCOL") or _SPOKEN
    service = environment.get("OTEL_SERVICE_NAME")
    if not base and not whole:
        return None
    name = _TRACES_ENDPOINT if whole else _ENDPOINT
    url = whole or f"{(base or '').rstrip('/')}/v1/traces"
    if not _is_address(url):
        mistakes.append(f"{name}: give the collector's address, such as http://127.0.0.1:4318")
    if protocol != _SPOKEN:
        mistakes.append(f"{_PROTOCOL}: only {_SPOKEN} is spoken; leave it unset")
    return Otlp(url, _headers(headers, mistakes), service or "mentalspace")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _headers(value: str, mistakes: list[str]) -> Mapping[str, str]:
    """`name=value,name=value`, each value with its reserved characters in percent signs."""
    found: dict[str, str] = {}
    for each in filter(None, (part.strip() for part in value.split(","))):
        name, equals, text = each.partition("=")
        said = unquote(text.strip())
        if not equals or not name.strip() or not said.isprintable():
            mistakes.append(f"{_HEADERS}: give name=value, and a comma between two")
            break
        found[name.strip()] = said
    return MappingProxyType(found)
