"""What a drill saw: our ledger's side and the sandbox's, held against what was promised."""

from __future__ import annotations

from typing import Any

from mentalspace.drills.stage import Stage
from mentalspace.engine.runbook import Expect
from mentalspace.workflows.sandbox_keeping import call_sandbox

Observed = dict[str, Any]

# Requests that ask something and send nothing.
_HARMLESS = frozenset({"GET", "NOOP"})


async def observe(stage: Stage) -> Observed:
    """Counts and states of this run, from the database and the sandbox's recorder."""
    seen = await _ledger(stage)
    summary = await call_sandbox(stage.services, "GET", "/summary")
    seen |= {"requests": 0, "accepted": 0, "accepted_twice": 0}
    reached: list[str] = []
    for account in stage.accounts:
        requests = await call_sandbox(stage.services, "GET", f"/recorder?account={account}")
        counted = summary.get(account, {})
        seen["requests"] += len([r for r in requests if r["method"] not in _HARMLESS])
        seen["accepted"] += counted.get("accepted", 0)
        seen["accepted_twice"] += _count(counted.get("accepted_twice", 0))
        reached += await _reached(stage, account)
    # Each recipient of a drill gets one thing, so one who got it from two providers got it twice.
    seen["accepted_twice"] += len(reached) - len(set(reached))
    return seen


async def _reached(stage: Stage, account: str) -> set[str]:
    """Whom this provider has something for; of interest where there are two."""
    if len(stage.accounts) < 2:
        return set()
    items = await call_sandbox(stage.services, "GET", f"/mailbox?account={account}&limit=10000")
    return {recipient for item in items for recipient in item["content"].get("to", ())}


async def _ledger(stage: Stage) -> Observed:
    run_id = stage.run_id
    async with stage.services.database.as_dispatcher() as connection:
        deliveries = await connection.fetch(
            "select status, attempts from delivery where drill = $1", run_id
        )
        attempts = await connection.fetch(
            "select case_id, evidence_kind from attempt where drill = $1", run_id
        )
        lane = await connection.fetch(
            "select distinct state from lane where credential_id = $1", stage.credential_id
        )
        alerts = await connection.fetch(
            "select i.rule_id, i.severity, i.fault, array_agg(p.target || ':' || p.state) as pages"
            " from incident i left join page p on p.incident_id = i.id"
            " where i.drill = $1 group by i.id",
            run_id,
        )
    async with stage.services.database.as_oncall() as connection:
        lines = await connection.fetch("select kind, data from timeline where drill = $1", run_id)
    classified = [line["data"] for line in lines if line["kind"] == "classified"]
    told = [line["data"] for line in lines if line["kind"] == "provider_event"]
    return {
        "statuses": sorted(row["status"] for row in deliveries),
        "cases": sorted({data["case"] for data in (*classified, *told) if "case" in data}),
        "moved": len([line for line in lines if line["kind"] == "moved"]),
        "refused_locally": sum(bool(data["refused_locally"]) for data in classified),
        "failed_attempts": len([a for a in attempts if _failed(a)]),
        "logged": len([d for d in classified if not d["refused_locally"]]),
        "lane": sorted(row["state"] for row in lane),
        "steps": sorted({STEP_OF[line["kind"]] for line in lines if line["kind"] in STEP_OF}),
        "alerts": sorted(row["rule_id"] for row in alerts),
        "whose": sorted({row["fault"] for row in alerts}),
        "pages": sorted({page for row in alerts for page in row["pages"] if page}),
    }


# The timeline's word for a step that ran.
STEP_OF = {
    "lane_slowed": "slow_lane",
    "lane_paused": "pause_lane",
    "task_opened": "open_task",
    "note": "note",
    "suppressed": "suppress",
    "wording_named": "name_wording",
}


def misses(expect: Expect, seen: Observed) -> list[str]:
    """What does not hold (yet), each as one line; empty when everything does."""
    missing = []

    def hold(name: str, holds: bool) -> None:
        if not holds:
            missing.append(name)

    if expect.moved is not None:
        hold("moved", seen["moved"] == expect.moved)
    if expect.refused_locally is not None:
        hold("refused_locally", seen["refused_locally"] == expect.refused_locally)
    if expect.requests_min is not None:
        hold("requests_min", seen["requests"] >= expect.requests_min)
    if expect.requests_max is not None:
        hold("requests_max", seen["requests"] <= expect.requests_max)
    if expect.accepted is not None:
        hold("accepted", seen["accepted"] == expect.accepted)
    if expect.case is not None:
        hold("case", expect.case in seen["cases"])
    for case in expect.never:
        hold(f"never {case}", case not in seen["cases"])
    if expect.status:
        known = bool(seen["statuses"])
        hold("status", known and all(s in expect.status for s in seen["statuses"]))
    if expect.lane is not None:
        hold("lane", seen["lane"] == [expect.lane])
    for step in expect.steps:
        hold(f"step {step}", step in seen["steps"])
    for rule in expect.alert:
        hold("alert", rule in seen["alerts"])
    if expect.whose is not None:
        hold("whose", seen["whose"] == [expect.whose])
    if expect.alert:
        # A drill pages its own channel and nobody else's.
        hold("page", seen["pages"] == ["drill:sent"])
    if expect.logged:
        hold("logged", seen["logged"] >= seen["failed_attempts"])
    hold("accepted_twice", seen["accepted_twice"] == 0)
    return missing


def promised(expect: Expect) -> dict[str, Any]:
    """The given fields of an expectation, for the evidence."""
    fields = {name: getattr(expect, name) for name in Expect.__slots__}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in fields.items()
        if value not in (None, ())
    }


def _failed(attempt: Any) -> bool:
    """Whether the provider's side failed it; our own refusals are counted apart."""
    return attempt["case_id"] is not None and attempt["evidence_kind"] != "refused_locally"


def _count(value: Any) -> int:
    return value if isinstance(value, int) else len(value)
