"""What a worker does now and then beside its lanes, and how often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeAlias

from mentalspace.engine import overdue
from mentalspace.engine.adapters import Adapters
from mentalspace.engine.credential_check import LOOK_EVERY_S, check_credentials
from mentalspace.engine.metrics import fold_tally, known_of
from mentalspace.engine.rollup import FOLD_EVERY_S, Folder
from mentalspace.engine.services import Services
from mentalspace.integrations.storage.jobs import (
    CHECK_EVERY_S,
    COUNT_EVERY_S,
    SWEEP_EVERY_S,
    check_files,
    count_files,
    sweep_files,
)
from mentalspace.practice.agreement import tell_of_ends
from mentalspace.practice.audit import pay_owed, write_heads_down
from mentalspace.practice.one_time_code import forget_log_ins
from mentalspace.workflows.client_reach import read_numbers
from mentalspace.workflows.demo import demo_day
from mentalspace.workflows.demo_documents import demo_documents
from mentalspace.workflows.evidence import attach_evidence
from mentalspace.workflows.former_secret import forget_due
from mentalspace.workflows.log_in_codes import mail_links
from mentalspace.workflows.number_lookup import look_up_numbers
from mentalspace.workflows.reminder_rules import rewrite_reminders
from mentalspace.workflows.sandbox_keeping import keep_sandbox

AGREEMENTS_EVERY_S = 60.0
AUDIT_HEADS_EVERY_S = 3600.0
AUDIT_OWED_EVERY_S = 60.0
DEMO_DAY_EVERY_S = 6.0
EVIDENCE_EVERY_S = 1.0
FOLD_TALLY_EVERY_S = 60.0
FORGET_EVERY_S = 60.0
LINKS_EVERY_S = 2.0
LOOK_UPS_EVERY_S = 0.5
NUMBERS_EVERY_S = 60.0
REWRITE_EVERY_S = 0.5
SANDBOX_KEEP_EVERY_S = 2.0

Chores: TypeAlias = dict[str, tuple[float, Callable[[], Awaitable[object]]]]


def chores(services: Services, adapters: Adapters) -> Chores:
    """By name: how often, in seconds, and what. Each may run in several workers at once."""
    database = services.database
    known = known_of(services.runbooks, services.rooms)
    return {
        "agreements": (AGREEMENTS_EVERY_S, lambda: tell_of_ends(database, services.rooms)),
        "audit_heads": (AUDIT_HEADS_EVERY_S, lambda: write_heads_down(database)),
        "audit_owed": (AUDIT_OWED_EVERY_S, lambda: pay_owed(database)),
        "check_credentials": (
            LOOK_EVERY_S,
            lambda: check_credentials(database, adapters, services.runbooks),
        ),
        "check_files": (CHECK_EVERY_S, lambda: check_files(services)),
        "count_files": (COUNT_EVERY_S, lambda: count_files(services)),
        "evidence": (EVIDENCE_EVERY_S, lambda: attach_evidence(services)),
        "fold": (FOLD_EVERY_S, Folder(database, services.runbooks).tick),
        "forget_formers": (FORGET_EVERY_S, lambda: forget_due(services)),
        "forget_log_ins": (FORGET_EVERY_S, lambda: forget_log_ins(database)),
        "links": (LINKS_EVERY_S, lambda: mail_links(services)),
        "look_ups": (LOOK_UPS_EVERY_S, lambda: look_up_numbers(services, adapters)),
        "numbers": (NUMBERS_EVERY_S, lambda: read_numbers(services)),
        "overdue": (
            overdue.LOOK_EVERY_S,
            overdue.Overdue(database, adapters, services.inbox.reactor).tick,
        ),
        "reminders": (REWRITE_EVERY_S, lambda: rewrite_reminders(services)),
        "sweep_files": (SWEEP_EVERY_S, lambda: sweep_files(services)),
        "tally": (FOLD_TALLY_EVERY_S, lambda: fold_tally(database, known)),
        **({} if services.settings.is_production else _of_a_demo(services)),
    }


def _of_a_demo(services: Services) -> Chores:
    random = Random()
    keeping: Chores = {"sandbox": (SANDBOX_KEEP_EVERY_S, lambda: keep_sandbox(services))}
    if services.settings.environment.get("MENTALSPACE_DEMO_DAY", "on") == "on":
        keeping["demo_day"] = (DEMO_DAY_EVERY_S, lambda: demo_day(services, random))
        keeping["demo_documents"] = (DEMO_DAY_EVERY_S, lambda: demo_documents(services, random))
    return keeping
