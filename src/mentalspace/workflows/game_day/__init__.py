"""A game day as its evidence tells it: read, verified, and written out as a report."""

from mentalspace.workflows.game_day.day import Day, find_day, from_json, read_day, spread, to_json
from mentalspace.workflows.game_day.promise import Expectation, compare, in_order
from mentalspace.workflows.game_day.trouble import SPOKEN, in_trouble, refusal_words
from mentalspace.workflows.game_day.verify import Verdict, verify_day, verify_file

__all__ = [
    "SPOKEN",
    "Day",
    "Expectation",
    "Verdict",
    "compare",
    "find_day",
    "from_json",
    "in_order",
    "in_trouble",
    "read_day",
    "refusal_words",
    "spread",
    "to_json",
    "verify_day",
    "verify_file",
]
