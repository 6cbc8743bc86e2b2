"""How telling the traces goes, in words for whoever looks after it. Nobody is woken for it."""

from __future__ import annotations

from mentalspace.engine.db import Connection

_STANDING = """
select read_id is not null as begun, sent_at, failure,
       extract(epoch from clock_timestamp() - failing_since) as failing_s
  from trace_state
"""
_FOR_GOOD = ("http_401", "http_403", "http_404")


async def read_standing(connection: Connection) -> str:
    """`ok`, or what is wrong and what to do."""
    row = await connection.fetchrow(_STANDING)
    if row is None or row["failing_s"] is None:
        return "ok"
    minutes = max(1, round(row["failing_s"] / 60))
    cure = "check OTEL_EXPORTER_OTLP_ENDPOINT and _HEADERS"
    if row["failure"] == "not_live":
        cure = "a demo reaches collectors on this machine only"
    elif row["failure"] not in _FOR_GOOD:
        cure = "look whether the collector is up"
    plural = "" if minutes == 1 else "s"
    return (
        f"the collector takes no traces since {minutes} minute{plural} ({row['failure']});"
        f" nothing is lost, they wait here: {cure}"
    )
