"""Does something answer at an address?"""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from mentalspace.kernel.settings import Settings

SOON_S = 0.05
LATER_S = 2.0


def tells(url: str, field: str, *, timeout_s: float = 5.0) -> str | None:
    """One text of the JSON object that a GET answers with; None without it."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_s)
    try:
        connection.request("GET", parts.path)
        found = json.loads(connection.getresponse().read())[field]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return None
    finally:
        connection.close()
    return found if isinstance(found, str) else None


def answers(url: str, *, timeout_s: float = 5.0) -> int | None:
    """The status of a GET; None without an answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_s)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def ready_url(settings: Settings) -> str:
    """Answers 200 when the whole system is ready."""
    return f"http://127.0.0.1:{settings.port}/readyz"


def is_free(port: int) -> bool:
    """Whether a server of ours could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Probe:
    """Asks an address again and again, in a thread of its own. `ok`: it last answered 200."""

    def __init__(self, url: str, wake: Callable[[], None]) -> None:
        self._url = url
        self._wake = wake
        self._ended = False
        self._nudge = threading.Event()
        self.ok = False
        threading.Thread(target=self._run, name=f"probe {url}", daemon=True).start()

    def again(self) -> None:
        """Forget the last answer: who gave it is gone."""
        self.ok = False
        self._nudge.set()

    def end(self) -> None:
        self._ended = True
        self._nudge.set()

    def _run(self) -> None:
        while not self._ended:
            ok = answers(self._url) == 200
            if ok != self.ok and not self._ended:
                self.ok = ok
                self._wake()
            self._nudge.wait(LATER_S if ok else SOON_S)
            self._nudge.clear()
