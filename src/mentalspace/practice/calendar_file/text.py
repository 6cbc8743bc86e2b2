"""From the bytes of a file to its text, or to a plain word on why there is none."""

from __future__ import annotations

from collections.abc import Sequence

from mentalspace.practice.calendar_file.row import CalendarFileUnreadable

MAX_BYTES = 20_000_000

SIGNATURES = (
    (b"PK\x03\x04", "an Excel or LibreOffice workbook"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (b"%PDF", "a PDF"),
)

CP1252_NOTE = (
    "the file is not UTF-8; it was read as Windows-1252, so look at names with accents, "
    "or save it again as UTF-8"
)


def check_bytes(data: bytes) -> None:
    """Refuse what is no text at all."""
    if len(data) > MAX_BYTES:
        raise CalendarFileUnreadable(
            "too_large",
            f"The file is larger than {MAX_BYTES // 1_000_000} MB; "
            "export a shorter range of dates and import the parts one after the other.",
        )
    for signature, name in SIGNATURES:
        if data.startswith(signature):
            raise CalendarFileUnreadable(
                "not_text", f"The file is {name}, not text; open it and save as CSV."
            )


def decode(data: bytes, line_numbers: Sequence[int] = ()) -> tuple[str, list[str]]:
    """The text and notes on how it was read: UTF-8, UTF-16 by its mark, else Windows-1252.

    `line_numbers` gives the physical line of each line of `data` where lines were joined.
    """
    notes: list[str] = []
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = _decode_as(data, "utf-16", line_numbers)
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = _decode_as(data, "cp1252", line_numbers)
            notes.append(CP1252_NOTE)
    if "\0" in text:
        raise CalendarFileUnreadable(
            "not_text",
            "The file holds zero bytes, so it is not plain text, or is UTF-16 without its mark; "
            "open it in the program that wrote it and save it as UTF-8 (in Excel: CSV UTF-8).",
        )
    if not text.strip():
        raise CalendarFileUnreadable(
            "empty", "The file is empty; export the calendar again and look at its size."
        )
    return text, notes


def _decode_as(data: bytes, encoding: str, line_numbers: Sequence[int]) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        index = data.count(b"\n", 0, error.start)
        line = line_numbers[index] if line_numbers else index + 1
        raise CalendarFileUnreadable(
            "wrong_encoding",
            f"Line {line} holds bytes that are no text in UTF-8, UTF-16 or Windows-1252; "
            "open it in the program that wrote it and save it as UTF-8 (in Excel: CSV UTF-8).",
        ) from None  # the original quotes the bytes
