"""Sees to what the tests need from the system, or says exactly how: a Chromium, a mail server, and
those who watch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# The names under which systems install it, in the order of preference: a page costs a whole browser
# three times the CPU that it costs one that never had windows.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Debian's servers are taken out of their packages and not installed: no service starts.
RELAY = "chasquid"
UNPACKED = Path(sys.prefix) / "unpacked"
# By package the programs that are wanted of it, and how somebody without Debian gets them.
_WANTED = {
    RELAY: ((RELAY,), "go install blitiri.com.ar/go/chasquid@latest, and put it on PATH"),
    "prometheus": (
        ("prometheus", "promtool"),
        "https://prometheus.io/download, and put both programs on PATH",
    ),
    "prometheus-alertmanager": (
        ("prometheus-alertmanager",),
        "https://prometheus.io/download, and put alertmanager on PATH by that name",
    ),
}
# It looks for this one where its package would have put it, and nowhere else.
_EXPECTED = {"prometheus-alertmanager": Path("/usr/share/prometheus/alertmanager/default.tmpl")}


def main() -> int:
    apt = shutil.which("apt-get")
    return max(_see_to_browser(apt), *(_see_to_package(apt, name) for name in _WANTED))


def find_browser() -> Path | None:
    """The first browser of our preference, if there is one."""
    found = (shutil.which(name) for name in BROWSERS)
    return next((Path(path) for path in found if path), None)


def find_relay() -> Path | None:
    """The mail server's program, if it is there."""
    return find_unpacked(RELAY)


def find_unpacked(name: str) -> Path | None:
    """A program of one of these packages, if it is there."""
    found = shutil.which(name)
    return Path(found) if found else next(UNPACKED.glob(f"**/bin/{name}"), None)


def _see_to_browser(apt: str | None) -> int:
    wanted = BROWSERS[0]
    if not shutil.which(wanted) and apt and os.geteuid() == 0:
        print(f"tests: installing Debian's {wanted}", flush=True)
        _run([apt, "update", "-qq"])
        _run([apt, "install", "-y", "-qq", "--no-install-recommends", wanted])
    if find_browser() is not None:
        return 0
    print(
        "tests: they need a Chromium and found none.\n"
        f"  Debian, Ubuntu: sudo apt-get install {wanted}\n"
        "  Fedora:         sudo dnf install chromium",
        file=sys.stderr,
    )
    return 1


def _see_to_package(apt: str | None, package: str) -> int:
    programs, elsewhere = _WANTED[package]
    if _is_whole(package):
        return 0
    if apt:
        print(f"tests: unpacking Debian's {package} into {UNPACKED}", flush=True)
        if os.geteuid() == 0:
            _run([apt, "update", "-qq"])
        with tempfile.TemporaryDirectory() as folder:
            words = [apt, "download", "-qq", "-o", "APT::Sandbox::User=root", package]
            packages = Path(folder).glob("*.deb") if _run(words, folder) else ()
            for found in packages:
                _run(["dpkg-deb", "-x", str(found), str(UNPACKED)])
        expected = _EXPECTED.get(package)
        if expected is not None and not expected.exists() and os.geteuid() == 0:
            shutil.copytree(UNPACKED / expected.parent.relative_to("/"), expected.parent)
        if _is_whole(package):
            return 0
    print(
        f"tests: they need {' and '.join(programs)}, whole, and did not find that.\n"
        f"  Debian, Ubuntu: apt-get download {package} && dpkg-deb -x {package}_*.deb {UNPACKED}\n"
        f"  elsewhere:      {elsewhere}",
        file=sys.stderr,
    )
    return 1


def _is_whole(package: str) -> bool:
    programs, _ = _WANTED[package]
    expected = _EXPECTED.get(package)
    return all(map(find_unpacked, programs)) and (expected is None or expected.exists())


def _run(words: list[str], folder: str | None = None) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        words, env=environment, cwd=folder, stdout=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
