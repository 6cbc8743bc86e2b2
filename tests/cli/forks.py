"""The `mentalspace` command, loaded once and forked for each call: a process of its own with
everything that goes with it, but for the second of processor that loading costs each time.

Argument: where to listen. It ends with its standard input. That the program loads by itself is
shown where it is started as a person starts it (test_up.py, test_not_up.py).
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any

from mentalspace import main
from mentalspace.cli import build
from mentalspace.engine import inbox, queue, reseal, services, signing
from mentalspace.kernel import settings
from mentalspace.workflows import conversation, fall_back

LOADED = (build, inbox, queue, reseal, services, signing, settings, conversation, fall_back)


def serve(where: str) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(where)
        door.listen()
        gc.freeze()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        heard: list[Any] = [door, 0]
        while True:
            ready, _, _ = select.select(heard, [], [])
            if 0 in ready:
                return
            caller, _ = door.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                door.close()
                _attend(caller)
            caller.close()


def _attend(caller: socket.socket) -> None:
    """Run one command to its end and tell how it ended; or kill it once nobody waits."""
    head, fds, _, _ = socket.recv_fds(caller, 8, 3)
    call = json.loads(caller.recv(int.from_bytes(head), socket.MSG_WAITALL))
    child = os.fork()
    if child == 0:
        caller.close()
        _become(call, fds)
    ended = os.pidfd_open(child)
    awaited: list[Any] = [caller, ended]
    ready, _, _ = select.select(awaited, [], [])
    if ended not in ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    caller.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(call: dict[str, Any], fds: list[int]) -> None:
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(call["directory"])
    os.environ.clear()
    os.environ.update(call["environment"])
    sys.argv = call["words"]
    code = 0
    try:
        main.run()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
