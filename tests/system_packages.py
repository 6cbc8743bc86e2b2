"""Sees to what the tests need from the system: a Chromium. Installs it, or says exactly how."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

# The names under which systems install it, in the order of preference.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    if any(shutil.which(name) for name in BROWSERS):
        return 0
    apt = shutil.which("apt-get")
    if apt and os.geteuid() == 0:
        print("tests: installing Debian's chromium", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            [apt, "update", "-qq"],
            [apt, "install", "-y", "-qq", "--no-install-recommends", "chromium"],
        ):
            done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
            if done.returncode:
                break
        if shutil.which("chromium"):
            return 0
    print(
        "tests: they need a Chromium and found none.\n"
        "  Debian, Ubuntu: sudo apt-get install chromium\n"
        "  Fedora:         sudo dnf install chromium",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
