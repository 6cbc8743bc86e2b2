"""A demo practice of any size from a seed number: clients, their calendar, and what became of
every mail about it, as if the practice had worked with MentalSpace for three months.

The same seed at the same moment makes the same practice. Nobody in it exists.
"""

from mentalspace.workflows.demo_history.make import Made, Wanted, make_history

__all__ = ["Made", "Wanted", "make_history"]
