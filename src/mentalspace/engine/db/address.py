"""Where a database is and as whom to log in; apart from migrations, which are slow to import."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

LOGIN = "mentalspace_login"


def login_password(master_key: bytes) -> str:
    """The log-in role's password, the same on every host that holds the master key."""
    digest = hmac.new(master_key, b"mentalspace login role", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def login_verifier(master_key: bytes) -> str:
    """What PostgreSQL keeps of that password; sent instead of it, so that no log of statements
    can hold it. New at every call.

    source: https://www.postgresql.org/docs/current/catalog-pg-authid.html
    """
    salt, rounds = secrets.token_bytes(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", login_password(master_key).encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (
        base64.b64encode(part).decode() for part in (salt, stored, server)
    )
    return f"SCRAM-SHA-256${rounds}:{salt_text}${stored_text}:{server_text}"


def login_url(admin_url: str, master_key: bytes) -> str:
    """The same server and database, as the role that owns nothing."""
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    credentials = f"{LOGIN}:{quote(login_password(master_key), safe='')}"
    return urlunsplit(parts._replace(netloc=f"{credentials}@{host}"))


def with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def ensure_database(admin_url: str, name: str) -> str:
    """The URL of database `name` on that server, created if it was missing."""
    connection = await asyncpg.connect(admin_url)
    try:
        if not await connection.fetchval("select 1 from pg_database where datname = $1", name):
            await connection.execute(f'create database "{name}"')
    except asyncpg.DuplicateDatabaseError:
        pass  # another start was quicker
    finally:
        await connection.close()
    return with_database(admin_url, name)
