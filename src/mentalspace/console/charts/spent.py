"""Where a message's time went: a bar for each span, one below the other, on one scale of time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from mentalspace.console import words
from mentalspace.console.chart import Bar, Chart, seconds
from mentalspace.engine.trace import Kind, Span

_WIDTH, _ROW, _BAR = 100.0, 6.0, 4.0
# So that what took no time to speak of is still seen.
_LEAST = 0.8
_TONES = {Kind.PRODUCER: "none", Kind.CLIENT: "info", Kind.INTERNAL: "info", Kind.CONSUMER: "ok"}


def draw_spent(spans: Sequence[Span]) -> Chart | None:
    """None before anything has ended. A message's own spans, oldest first."""
    if not spans:
        return None
    began_at, ended_at = min(s.began_at for s in spans), max(s.ended_at for s in spans)
    whole = (ended_at - began_at) / timedelta(seconds=1) or 1.0
    bars = []
    for row, span in enumerate(spans):
        x = (span.began_at - began_at).total_seconds() / whole * (_WIDTH - _LEAST)
        width = max(_LEAST, span.took.total_seconds() / whole * (_WIDTH - _LEAST))
        tone = "bad" if span.failed else _TONES.get(span.kind, "info")
        bars.append(Bar(round(x, 2), row * _ROW, round(width, 2), _BAR, tone))
    return Chart(_WIDTH, len(spans) * _ROW, tuple(bars), _text(spans))


def _text(spans: Sequence[Span]) -> str:
    waited = [span for span in spans if span.kind is Kind.PRODUCER]
    tries = [span for span in spans if span.kind in (Kind.CLIENT, Kind.INTERNAL)]
    told = [span for span in spans if span.kind is Kind.CONSUMER]
    said = [f"waited {_long(span.took)}" for span in waited]
    if tries:
        times = ", ".join(_long(span.took) + (" (failed)" if span.failed else "") for span in tries)
        said.append(f"{words.count(len(tries), 'try', 'tries')}: {times}")
    if tries and told:
        after = max(timedelta(0), told[-1].ended_at - tries[-1].ended_at)
        said.append(f"the last news came {_long(after)} later")
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}."


def _long(took: timedelta) -> str:
    return seconds(took.total_seconds())
