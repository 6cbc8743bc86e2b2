"""A child of the supervisor ends when the supervisor is gone, even killed."""

from __future__ import annotations

import os
import signal
import threading
import time

GRACE_S = 10.0


def end_with_parent() -> None:
    """Watch standard input, whose other end only the supervisor holds."""
    threading.Thread(target=_watch, name="parent", daemon=True).start()


def _watch() -> None:
    while os.read(0, 64):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)
