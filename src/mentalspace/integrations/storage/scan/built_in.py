"""The check that needs no scanner: few marks, each of something no document of a practice needs.

It knows no virus. It does not unpack: what is compressed, encrypted or encoded inside a file is not
looked at, and an archive's files are known by their names alone.
"""

from __future__ import annotations

import re

from mentalspace.integrations.storage.scan.verdict import Verdict

NAME = "built-in"

# The longest thing looked for may begin in one piece and end in the next.
_OVERLAP = 1024
_PDF = b"%PDF-"

# In two halves, or a scanner would take this file for the test file.
# source: https://www.eicar.org/download-anti-malware-testfile/
_EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def _pdf_name(name: str) -> bytes:
    """A PDF's name, each letter as it is or as #xx, to where it ends.

    source: ISO 32000-1, 7.3.5
    """
    letters = "".join(f"(?:{one}|#{ord(one):02x}|#{ord(one):02X})" for one in name)
    return f"/{letters}(?![A-Za-z0-9_.#-])".encode()


# Before a name ends another thing, or stands the kind of an action: an address may hold the same
# letters.
_BEFORE = re.compile(rb"(?:[\s<>\[\]]|/S|/#53)$")
_RUN = rb"exe|dll|scr|com|pif|bat|cmd|ps1|vbs|vbe|js|jse|wsf|hta|msi|jar|lnk|app|dmg|sh"
# A ZIP entry's head has its name's length at byte 26 and the name at byte 30.
_ENTRY = re.compile(rb"PK\x03\x04.{22}(..)..", re.DOTALL)
_RUNS = re.compile(rb"(?:\.(?:" + _RUN + rb")|vbaproject\.bin)$", re.IGNORECASE)
# Each with bytes that are in it: finding those is ten times as fast, and nearly always all of it.
_MARKS: tuple[tuple[str, bytes, re.Pattern[bytes]], ...] = (
    ("Eicar-Test-File", b"EICAR-STANDARD", re.compile(re.escape(_EICAR))),
    (
        "Program.Windows",
        b"This program cannot be run in DOS mode",
        re.compile(rb"MZ.{38,500}?This program cannot be run in DOS mode", re.DOTALL),
    ),
    (
        "Program.Linux",
        b"\x7fELF",
        re.compile(rb"\x7fELF[\x01\x02][\x01\x02]\x01[\x00-\x12]\x00{7}"),
    ),
)
_PDF_MARKS: tuple[tuple[str, bytes, re.Pattern[bytes]], ...] = (
    ("Pdf.JavaScript", b"/JavaScript", re.compile(_pdf_name("JavaScript"))),
    ("Pdf.Launch", b"/Launch", re.compile(_pdf_name("Launch"))),
)
_ESCAPED = re.compile(rb"/[A-Za-z]{0,9}#[0-9A-Fa-f]{2}")


class BuiltIn:
    """Made for one file, and fed its bytes in order."""

    def __init__(self) -> None:
        self._tail = b""
        self._is_pdf: bool | None = None
        self._found: str | None = None

    def feed(self, piece: bytes | bytearray) -> None:
        if self._found is not None:
            return
        window = self._tail + piece
        if self._is_pdf is None and len(window) >= len(_PDF):
            self._is_pdf = window.startswith(_PDF)
        self._found = self._look(window)
        self._tail = window[-_OVERLAP:]

    def verdict(self) -> Verdict:
        return Verdict(NAME, self._found)

    def _look(self, window: bytes) -> str | None:
        for name, within, mark in _MARKS:
            if within in window and mark.search(window):
                return name
        if self._is_pdf and (active := _look_at_names(window)) is not None:
            return active
        for entry in _ENTRY.finditer(window) if b"PK\x03\x04" in window else ():
            length = int.from_bytes(entry[1], "little")
            if _RUNS.search(window[entry.end() : entry.end() + length]):
                return "Archive.Program"
        return None


def _look_at_names(window: bytes) -> str | None:
    has_escapes = _ESCAPED.search(window) is not None
    for name, plain, mark in _PDF_MARKS:
        if has_escapes or plain in window:
            for found in mark.finditer(window):
                if _BEFORE.search(window[max(found.start() - 4, 0) : found.start()]):
                    return name
    return None
