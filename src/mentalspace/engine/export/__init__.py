"""The runbooks in other tools' words: Prometheus's rules, their unit tests, and dashboards."""

from mentalspace.engine.export.dashboard import (
    dashboard_of,
    expressions_of,
    house_dashboard,
    to_json,
)
from mentalspace.engine.export.prometheus import rules_of
from mentalspace.engine.export.promtool import unit_tests_of

__all__ = [
    "dashboard_of",
    "expressions_of",
    "house_dashboard",
    "rules_of",
    "to_json",
    "unit_tests_of",
]
