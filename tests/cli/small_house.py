"""A supervisor over small programs, run as a process of its own by the tests.

Arguments: its home, a port, and what each program does: `talks`, `sleeps`, `stubborn`, `dies`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from mentalspace.cli.keep import Program
from mentalspace.cli.run_state import hold
from mentalspace.cli.supervise import Supervisor, Watcher

PROLOGUE = """
import signal, sys, time
from pathlib import Path
from mentalspace.cli.orphan import end_with_parent
name, home, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
end_with_parent()
def ended(*_):
    with home.joinpath('ended').open('a') as file:
        file.write(name + '\\n')
    raise SystemExit
signal.signal(signal.SIGTERM, ended)
def ready():
    home.joinpath(f'{name}.ready').touch()
"""
DOES = {
    "sleeps": "ready(); time.sleep(600)",
    "stubborn": "signal.signal(signal.SIGTERM, signal.SIG_IGN); ready(); time.sleep(600)",
    "dies": "raise SystemExit(3)",
    "talks": """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Talker(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
server = HTTPServer(('127.0.0.1', port), Talker)
ready()
server.serve_forever()
""",
}


class NoDatabase:
    """An installation whose database is somebody else's, and always well."""

    def prepare(self, _say: Callable[[str], None]) -> None:
        pass

    def stop_postgres(self) -> None:
        raise AssertionError("it is not ours to stop")

    def postgres_status(self) -> tuple[bool, int | None]:
        return True, None


class Printer(Watcher):
    def say(self, text: str) -> None:
        print(text, flush=True)


def program(name: str, does: str, home: Path, port: int) -> Program:
    """What talks needs no database; everything else does."""
    talks = does == "talks"
    return Program(
        name,
        (sys.executable, "-c", PROLOGUE + DOES[does], name, str(home), str(port)),
        alive_url=f"http://127.0.0.1:{port}/" if talks else None,
        needs_database=not talks,
    )


def main(home: Path, port: int, *does: str) -> None:
    programs = [program(f"{each}-{n}", each, home, port) for n, each in enumerate(does)]
    url = f"http://127.0.0.1:{port}/"
    with hold(home):
        Supervisor(
            home, programs, NoDatabase(), embedded=False, ready_url=url, watcher=Printer()
        ).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
