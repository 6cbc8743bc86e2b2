"""The HTTP API: a door that translates, calls and renders, and decides nothing."""

from mentalspace.api.app import create_app

__all__ = ["create_app"]
