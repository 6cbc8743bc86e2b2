"""Sends spans to a collector, and waits for one that is away without anybody waiting for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from mentalspace.engine.db import Database
from mentalspace.engine.log import get_logger
from mentalspace.engine.outbound import Client
from mentalspace.engine.trace.ledger import (
    Stretch,
    next_stretch,
    note_failure,
    note_told,
)
from mentalspace.engine.trace.span import Span
from mentalspace.engine.trace.wire import CONTENT_TYPE, encode, rejected
from mentalspace.kernel.errors import ProviderError, Refused
from mentalspace.kernel.otlp import Otlp

EXPORT_EVERY_S = 2.0
POST_WITHIN_S = 10.0
_LONGEST_S = 20.0
# What was sent is wrong or too large, and would be the next time: everything behind it would wait.
# source: https://opentelemetry.io/docs/specs/otlp/#failures-1
_NEVER_AGAIN = frozenset({400, 413, 422})

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TraceExporter:
    """`holder` names this worker: one at a time has the turn."""

    database: Database
    client: Client
    otlp: Otlp
    holder: str
    version: str

    async def tick(self) -> int:
        """Send what is new, for a while at most; how many spans.

        What was told of moves on only after the collector took it. If the worker dies in between,
        the same spans go again under the same ids.
        """
        sent, ends = 0, time.monotonic() + _LONGEST_S
        while time.monotonic() < ends:
            async with self.database.as_dispatcher() as connection:
                stretch = await next_stretch(connection, self.holder)
            if stretch is None or not await self._send(stretch):
                break
            sent += len(stretch.spans)
            if not stretch.more:
                break
        return sent

    async def _send(self, stretch: Stretch) -> bool:
        failure = await self._post(stretch.spans) if stretch.spans else None
        async with self.database.as_dispatcher() as connection:
            if failure is None:
                await note_told(connection, self.holder, stretch)
            else:
                await note_failure(connection, self.holder, failure)
        if stretch.spans:
            _say(stretch, failure)
        return failure is None

    async def _post(self, spans: Sequence[Span]) -> str | None:
        """None if the collector took them; else a word for why not."""
        resource = {"service.name": self.otlp.service, "service.version": self.version}
        try:
            answer = await self.client.request(
                "POST",
                self.otlp.url,
                headers={**self.otlp.headers, "Content-Type": CONTENT_TYPE},
                body=encode(spans, resource),
                deadline_s=POST_WITHIN_S,
            )
        except (ProviderError, Refused) as error:
            return _word(error)
        if answer.http in _NEVER_AGAIN:
            log.error("traces_refused", http=answer.http, count=len(spans))
            return None
        if not 200 <= answer.http < 300:
            return f"http_{answer.http}"
        if (lost := rejected(answer.body)) > 0:
            log.error("traces_refused", http=answer.http, count=lost)
        return None


def _word(error: ProviderError | Refused) -> str:
    return error.code if isinstance(error, Refused) else error.evidence.kind


def _say(stretch: Stretch, failure: str | None) -> None:
    """Once when it begins to fail, and once when it works again."""
    if failure is not None and not stretch.was_failing:
        log.warning("traces_not_taken", reason=failure)
    elif failure is None and stretch.was_failing:
        log.info("traces_taken_again", count=len(stretch.spans))
