"""Records of `tag=value` pairs, as DKIM keys and DMARC policies are written."""

from __future__ import annotations


def read_tags(text: str) -> dict[str, str]:
    """Tags in lower case; values without white space around them. What is no pair is left out."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip().lower(), value.strip())
    return tags
