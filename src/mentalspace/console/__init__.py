"""The console: pages for on-call engineers and for a practice's staff."""

from mentalspace.console.documents import STREAMS
from mentalspace.console.routes import router

__all__ = ["STREAMS", "router"]
