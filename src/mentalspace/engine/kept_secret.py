"""A secret that this installation made for itself."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def kept_secret(path: Path) -> bytes:
    """32 random bytes, made once and readable by nobody else. A demo's; production sets its own."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(secrets.token_bytes(32))
    try:
        os.link(fresh, path)  # whoever is first wins; the other reads what is there
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_bytes()
