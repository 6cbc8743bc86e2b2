"""The command line: a door. It translates, calls and prints; it decides nothing."""

from mentalspace.cli.app import build

__all__ = ["build"]
