"""The runbook as data: read, checked, rendered; the engine acts on it."""

from mentalspace.engine.runbook.book import RoomRunbook, Runbooks
from mentalspace.engine.runbook.check import check
from mentalspace.engine.runbook.declared import DeclaredAlert, DeclaredMetric, DeclaredRoom
from mentalspace.engine.runbook.drill import Action, Drill, Expect
from mentalspace.engine.runbook.escalation import Escalation, Rung
from mentalspace.engine.runbook.house_proof import HouseProof
from mentalspace.engine.runbook.issue import Check, CheckKind, Issue
from mentalspace.engine.runbook.line import rule_line
from mentalspace.engine.runbook.load import load_room, load_runbooks, read_runbooks
from mentalspace.engine.runbook.overview import (
    OF_CASES,
    AlertKind,
    AlertRule,
    AlertState,
    BurnWindow,
    Measure,
    Metric,
    Of,
    Op,
    Overview,
    Price,
)
from mentalspace.engine.runbook.page import case_html, issue_html, markdown_html, to_text
from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.rehearsal import HOUSE, Rehearsal

__all__ = [
    "HOUSE",
    "OF_CASES",
    "Action",
    "AlertKind",
    "AlertRule",
    "AlertState",
    "BurnWindow",
    "Check",
    "CheckKind",
    "DeclaredAlert",
    "DeclaredMetric",
    "DeclaredRoom",
    "Drill",
    "Escalation",
    "Expect",
    "HouseProof",
    "Issue",
    "Measure",
    "Metric",
    "Of",
    "Op",
    "Overview",
    "Price",
    "Problem",
    "Rehearsal",
    "RoomRunbook",
    "Runbooks",
    "Rung",
    "case_html",
    "check",
    "issue_html",
    "load_room",
    "load_runbooks",
    "markdown_html",
    "read_runbooks",
    "rule_line",
    "to_text",
]
