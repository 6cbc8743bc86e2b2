"""A payload as lines that a person reads: text and nothing but text, whatever was in it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from textwrap import indent
from typing import Any
from urllib.parse import parse_qsl

# An attachment, such as a calendar's entry: long enough to be no word and no id.
_PACKED = re.compile(r"[A-Za-z0-9+/]{60,}={0,2}")
_NOTHING: tuple[object, ...] = ("", None, [], {})
_FORM = re.compile(r"[^\s=&]+=[^\s&]*(?:&[^\s=&]+=[^\s&]*)*")


def parts_of(body: bytes, query: str, site_url: str) -> list[tuple[str, str]]:
    """Names with what stands under them: of JSON, of a form, or the whole as it came.

    A link of our own keeps its address and loses the rest: whoever has it acts as the client.
    """
    text = body.decode(errors="replace")
    found = _of_json(text) or _of_form(text) or [("content", text)]
    found += [(f"{name} (address)", value) for name, value in _of_form(query)]
    return [(_plain(name), _without_links(_plain(value), site_url)) for name, value in found]


def _of_json(text: str) -> list[tuple[str, str]]:
    """What says nothing is left out; what is one line comes before a page of markup."""
    try:
        read = json.loads(text)
        named = read.items() if isinstance(read, dict) else ()
        said = [(name, _said(value)) for name, value in named if value not in _NOTHING]
    except (ValueError, RecursionError):
        return []
    return sorted(said, key=lambda part: part[1].count("\n"))


def _said(value: Any) -> str:
    match value:
        case str():
            return _unpacked(value)
        case dict() if value:
            return "\n".join(f"{name}: {_below(_said(each))}" for name, each in value.items())
        case list() if value:
            return "\n".join(_said(each) for each in value)
        case _:
            return json.dumps(value)


def _below(text: str) -> str:
    return text if "\n" not in text else indent(f"\n{text}", "  ")


def _unpacked(text: str) -> str:
    """What stands in an attachment, its lines whole again: a link must not hide in it."""
    if not _PACKED.fullmatch(text):
        return text
    try:
        return base64.b64decode(text).decode().replace("\r\n ", "").replace("\r\n", "\n")
    except (binascii.Error, ValueError):
        return text


def _of_form(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True) if _FORM.fullmatch(text) else []


def _plain(text: str) -> str:
    """What does not print, or turns the writing around, shows as a mark."""
    mark = "\N{REPLACEMENT CHARACTER}"
    lines = text.replace("\r\n", "\n")
    return "".join(c if c.isprintable() or c in "\n\t" else mark for c in lines)


def _without_links(text: str, site_url: str) -> str:
    site = site_url.rstrip("/")
    return re.sub(re.escape(site) + r"/[^\s\"'<>]+", lambda _: f"{site}/…", text)
