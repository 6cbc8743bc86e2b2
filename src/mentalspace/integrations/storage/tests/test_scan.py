"""What the two scanners find, what they do not, and what they say of what they cannot know."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from mentalspace.integrations.storage.scan.built_in import BuiltIn
from mentalspace.integrations.storage.scan.scanner import Scanner
from mentalspace.integrations.storage.scan.verdict import ScannerAway, TooLong, Verdict
from tests.clamd import EICAR, Clamd, clamd

PDF = b"%PDF-1.7\n1 0 obj\n"


def page(catalog: bytes) -> bytes:
    return PDF + b"<< /Type /Catalog " + catalog + b" >>\nendobj\n"


def archive(name: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as zipped:
        zipped.writestr("readme.txt", "hello")
        zipped.writestr(name, "x")
    return written.getvalue()


def found(content: bytes, size: int) -> str | None:
    built_in = BuiltIn()
    for start in range(0, len(content), size):
        built_in.feed(content[start : start + size])
    return built_in.verdict().finding


@pytest.mark.parametrize("size", [7, 100_000])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (EICAR, "Eicar-Test-File"),
        (PDF + bytes(3000) + EICAR, "Eicar-Test-File"),
        (page(b"/OpenAction << /S /JavaScript /JS (app.alert(1)) >>"), "Pdf.JavaScript"),
        (page(b"/OpenAction << /S /J#61vaScri#70t >>"), "Pdf.JavaScript"),
        (page(b"/OpenAction<</S/JavaScript/JS(x)>>"), "Pdf.JavaScript"),
        (page(b"/OpenAction << /S /Launch /F (cmd.exe) >>"), "Pdf.Launch"),
        (page(b"/OpenAction << /S /URI /URI (https://example.com/JavaScript) >>"), None),
        (page(b"/JavaScripted true /Launchpad 1"), None),
        (b"plain words of /JavaScript", None),
        (b"MZ" + bytes(76) + b"\x0e!This program cannot be run in DOS mode.", "Program.Windows"),
        (b"\x7fELF\x02\x01\x01" + bytes(9), "Program.Linux"),
        (archive("setup.EXE"), "Archive.Program"),
        (archive("word/vbaProject.bin"), "Archive.Program"),
        (archive("letter.docx"), None),
        (b"", None),
    ],
)
def test_few_marks_are_known(content: bytes, expected: str | None, size: int) -> None:
    """Each of the built-in marks, wherever it lies and however it comes; and nothing like it."""
    assert found(content, size) == expected


def test_what_the_built_in_check_does_not_find() -> None:
    """What is packed inside a file is not looked at, as its page says."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("letter.txt", EICAR * 20)
    assert found(packed.getvalue(), 4096) is None


async def pieces(content: bytes, size: int = 100_000) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_clamav_is_asked_by_its_own_protocol(kind: str, tmp_path: Path) -> None:
    """By either socket: clean, found by the name it has there, and a file that is longer than it
    takes, of which nobody knows."""
    where = str(tmp_path / "s") if kind == "unix" else ""
    async with clamd(where, Clamd()) as address:
        scanner = Scanner(address)
        assert await scanner.look(pieces(bytes(300_000))) == Verdict("clamav", None)
        harmful = await scanner.look(pieces(PDF + EICAR, size=11))
        assert harmful == Verdict("clamav", "Eicar-Signature")
        with pytest.raises(TooLong):
            await scanner.look(pieces(bytes(3_000_000)))


@pytest.mark.parametrize("error", [FileNotFoundError, ConnectionResetError, TimeoutError])
@pytest.mark.parametrize("is_built_in", [True, False], ids=["built-in", "clamav"])
async def test_what_is_wrong_with_the_file_is_not_the_scanners(
    error: type[OSError], is_built_in: bool, tmp_path: Path
) -> None:
    """Bytes of ours that are lost, or cannot be had, are told as that, before the first and
    after it."""

    async def broken(first: bytes) -> AsyncGenerator[bytes, None]:
        if first:
            yield first
        raise error

    async with clamd(str(tmp_path / "s"), Clamd()) as address:
        for first in (b"", bytes(300_000)):
            with pytest.raises(error):
                await Scanner(None if is_built_in else address).look(broken(first))


async def test_a_scanner_that_is_away_is_no_verdict(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Nobody there, one that hangs up, and one that says nothing: it is not known, within the time;
    and the built-in check, too, has its time."""

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    with pytest.raises(ScannerAway):
        await Scanner("unix:/nowhere/at.all").look(pieces(b"x"))
    for behave in (hang_up, say_nothing):
        async with await asyncio.start_server(behave, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            with pytest.raises(ScannerAway):
                await Scanner(f"tcp:127.0.0.1:{port}").look(pieces(b"x"), within_s=0.2)

    async def slow() -> AsyncGenerator[bytes, None]:
        yield b"x"
        await asyncio.sleep(5)

    with pytest.raises(ScannerAway):
        await Scanner(None).look(slow(), within_s=0.1)
