"""What our own evaluator cannot tell anybody of: that it stands still, or is not there at all."""

from __future__ import annotations

from dataclasses import dataclass

from mentalspace.engine.export.series import Series
from mentalspace.kernel.case import Severity


@dataclass(frozen=True, slots=True)
class HouseAlert:
    """`after` is how long it must hold; the expression leaves no label of its own.

    `ill` must fire by `TEST_AT_MIN`, `well` must not.
    """

    id: str
    title: str
    expression: str
    after: str
    severity: Severity
    action: str
    ill: Series
    well: Series


def _stalled(loop: str, title: str, action: str) -> HouseAlert:
    age = f'mentalspace_loop_age_seconds{{loop="{loop}"}}'
    return HouseAlert(
        id=f"house.{loop}_stalled",
        title=title,
        expression=f"max(min without (instance, pod) ({age})) > 60",
        after="30s",
        severity=Severity.CRITICAL,
        action=action,
        ill={age: "1x2 90x6"},
        well={age: "1x9"},
    )


_WORKERS = 'mentalspace_processes{kind="worker"}'
_FAILED = 'mentalspace_pages_total{target="oncall",state="failed"}'
_HELD = 'mentalspace_webhooks_unapplied{integration="any",provider="any",state="held"}'
_HTTP = "mentalspace_http_requests_total"

HOUSE_ALERTS = (
    HouseAlert(
        id="house.not_there",
        title="Nothing is heard of MentalSpace",
        expression="absent(mentalspace_build_info)",
        after="2m",
        severity=Severity.CRITICAL,
        action="Ask mentalspace status, then the supervisor's log",
        ill={"up": "0x9"},
        well={'mentalspace_build_info{version="1",mode="production"}': "1x9"},
    ),
    HouseAlert(
        id="house.database_away",
        title="The API cannot read the database",
        expression="max(mentalspace_database_up) == 0",
        after="1m",
        severity=Severity.CRITICAL,
        action="Look at /readyz, then at PostgreSQL",
        ill={"mentalspace_database_up": "1x2 0x6"},
        well={"mentalspace_database_up": "1x9"},
    ),
    HouseAlert(
        id="house.no_worker",
        title="No worker's heart beats: nothing is sent and nobody is paged",
        expression=f"(max({_WORKERS}) or vector(0)) < 1\nunless max(mentalspace_database_up) == 0",
        after="1m",
        severity=Severity.CRITICAL,
        action="Start mentalspace worker, and read its log",
        ill={"mentalspace_database_up": "1x9", _WORKERS: "1x2 0x6"},
        well={"mentalspace_database_up": "1x9", _WORKERS: "1x9"},
    ),
    _stalled(
        "evaluate",
        "Our own rules are not judged any more",
        "Read the worker's log for loop_failed, kind evaluate",
    ),
    _stalled("page", "Pages are not sent any more",
             "Read the worker's log for loop_failed, kind page"),
    _stalled("dispatch", "Nothing is dispatched any more",
             "Read the worker's log for loop_failed, kind dispatch"),
    HouseAlert(
        id="house.pages_failed",
        title="A page reached nobody",
        expression='max(increase(mentalspace_pages_total{state="failed"}[1h])) > 0',
        after="0s",
        severity=Severity.CRITICAL,
        action="Call whoever is on call; then try the addresses of MENTALSPACE_PAGE_ONCALL",
        ill={_FAILED: "0x2 1x6"},
        well={_FAILED: "3x9"},
    ),
    HouseAlert(
        id="house.webhooks_held",
        title="Webhooks wait for a person",
        expression='max(mentalspace_webhooks_unapplied{state="held"}) > 0',
        after="15m",
        severity=Severity.MEDIUM,
        action="Look at the inbox's held rows in the runbook's diagnosis",
        ill={_HELD: "0x2 2x6"},
        well={_HELD: "0x9"},
    ),
    HouseAlert(
        id="house.requests_fail",
        title="The API fails more than one request in twenty",
        expression=f'sum(increase({_HTTP}{{http=~"5.."}}[10m])) > 5\n'
        f'and sum(increase({_HTTP}{{http=~"5.."}}[10m]))\n  / sum(increase({_HTTP}[10m])) > 0.05',
        after="0s",
        severity=Severity.HIGH,
        action="Read the API's log for request_failed, by its request_id",
        ill={f'{_HTTP}{{http="500"}}': "0+3x9", f'{_HTTP}{{http="200"}}': "0+10x9"},
        well={f'{_HTTP}{{http="500"}}': "0+1x9", f'{_HTTP}{{http="200"}}': "0+40x9"},
    ),
)  # fmt: skip
