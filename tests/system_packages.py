"""Sees to what the tests need from the system, or says exactly how: a Chromium, a mail server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# The names under which systems install it, in the order of preference.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Debian's mail server is taken out of its package and not installed: no service starts.
RELAY = "chasquid"
UNPACKED = Path(sys.prefix) / "relay"


def main() -> int:
    apt = shutil.which("apt-get")
    return max(_see_to_browser(apt), _see_to_relay(apt))


def find_relay() -> Path | None:
    """The mail server's program, if it is there."""
    found = shutil.which(RELAY)
    return Path(found) if found else next(UNPACKED.glob(f"**/bin/{RELAY}"), None)


def _see_to_browser(apt: str | None) -> int:
    if any(shutil.which(name) for name in BROWSERS):
        return 0
    if apt and os.geteuid() == 0:
        print("tests: installing Debian's chromium", flush=True)
        words = [apt, "install", "-y", "-qq", "--no-install-recommends", "chromium"]
        if _run([apt, "update", "-qq"]) and _run(words) and shutil.which("chromium"):
            return 0
    print(
        "tests: they need a Chromium and found none.\n"
        "  Debian, Ubuntu: sudo apt-get install chromium\n"
        "  Fedora:         sudo dnf install chromium",
        file=sys.stderr,
    )
    return 1


def _see_to_relay(apt: str | None) -> int:
    if find_relay():
        return 0
    if apt:
        print(f"tests: unpacking Debian's {RELAY} into {UNPACKED}", flush=True)
        if os.geteuid() == 0:
            _run([apt, "update", "-qq"])
        with tempfile.TemporaryDirectory() as folder:
            words = [apt, "download", "-qq", "-o", "APT::Sandbox::User=root", RELAY]
            packages = Path(folder).glob("*.deb") if _run(words, folder) else ()
            for package in packages:
                _run(["dpkg-deb", "-x", str(package), str(UNPACKED)])
        if find_relay():
            return 0
    print(
        f"tests: they need the mail server {RELAY} and found none.\n"
        f"  Debian, Ubuntu: apt-get download {RELAY} && dpkg-deb -x {RELAY}_*.deb {UNPACKED}\n"
        "  elsewhere:      go install blitiri.com.ar/go/chasquid@latest, and put it on PATH",
        file=sys.stderr,
    )
    return 1


def _run(words: list[str], folder: str | None = None) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        words, env=environment, cwd=folder, stdout=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
