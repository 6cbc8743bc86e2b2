"""Whose key opens a file: each client has one, and so has the practice for what is no client's.

A file's own key stands beside its row, wrapped under that; what is under the practice's seal is the
client's alone. So a rotation seals one key a client anew and touches no file, and with a client's
key their files are gone, in every copy of the disk; `shred` destroys one.
"""

from __future__ import annotations

import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mentalspace.engine.db import Connection
from mentalspace.engine.secrets import Vault
from mentalspace.integrations.storage.lock.frames import new_key
from mentalspace.integrations.storage.model import client_of
from mentalspace.kernel.errors import MentalSpaceError

PURPOSE = "file_key"
_NONCE_BYTES = 12

# Shared, not for update: uploads of one client wait for a key's end, and not for each other.
_HELD = """
select id, sealed from storage.key where practice_id = $1 and whose = $2 and sealed is not null
   for share
"""
_MAKE = """
insert into storage.key (practice_id, whose, sealed) values ($1, $2, $3) on conflict do nothing
"""
_LOCK = """
update storage.file set key_id = $3, locked = $4 where id = $1 and version = $2 returning true
"""
# Of a file before that of an archived version: nobody reads one by naming it in a row of theirs.
_FIND = """
select f.key_id, f.locked, k.sealed
  from (select 1 as place, practice_id, key_id, locked
          from storage.file where practice_id = $1 and version = $2
        union all
        select 2, practice_id, key_id, locked
          from storage.archived where practice_id = $1 and version = $2
         order by place limit 1) f
  left join storage.key k on k.id = f.key_id and k.practice_id = f.practice_id
"""
_LOCK_UPLOAD = """
update storage.upload set key_id = $3, locked = $4 where practice_id = $1 and id = $2 returning true
"""
_FIND_UPLOAD = """
select u.locked, k.sealed
  from storage.upload u join storage.key k on k.id = u.key_id and k.practice_id = u.practice_id
 where u.practice_id = $1 and u.id = $2
"""
_FIND_REMOVED = """
select a.key_id, a.locked, k.sealed from storage.archived a
  left join storage.key k on k.id = a.key_id and k.practice_id = a.practice_id
 where a.practice_id = $1 and a.version = $2
"""


class NoKey(MentalSpaceError):
    """Nothing opens the file: its client's key was destroyed, or its row is gone."""


def whose(practice_id: UUID, name: str) -> UUID:
    """Under whose key a file of this name is: its client's, or the practice's own."""
    return client_of(name) or practice_id


async def lock(
    connection: Connection, vault: Vault, practice_id: UUID, file_id: UUID, version: str, name: str,
    key: bytes | None,
) -> None:  # fmt: skip
    """Keep a file's key beside its row, in the transaction that names its bytes; of what was never
    locked, that there is none. Raises NoKey where no row names the version. Runs as the worker."""
    held = wrapped = None
    if key is not None:
        held, client_key = await _client_key(
            connection, vault, practice_id, whose(practice_id, name)
        )
        wrapped = _wrap(client_key, practice_id, version, key)
    if not await connection.fetchval(_LOCK, file_id, version, held, wrapped):
        raise NoKey("no row names this version")


async def key_of(
    connection: Connection, vault: Vault, practice_id: UUID, version: str
) -> bytes | None:
    """What opens the bytes of a version, a file's or a removed one; None for what landed before
    files were locked. Raises NoKey. Runs as the worker."""
    return await _key(connection, vault, practice_id, version, _FIND)


async def key_of_removed(
    connection: Connection, vault: Vault, practice_id: UUID, version: str
) -> bytes | None:
    """The same of one that is in the archive, while a file is about to have it again."""
    return await _key(connection, vault, practice_id, version, _FIND_REMOVED)


async def _key(
    connection: Connection, vault: Vault, practice_id: UUID, version: str, look: str
) -> bytes | None:
    row = await connection.fetchrow(look, practice_id, version)
    if row is None:
        raise NoKey("no row names this version")
    if row["locked"] is None:
        return None
    if row["sealed"] is None:
        raise NoKey("the key of this file was destroyed")
    client_key = _opened(vault, practice_id, row["sealed"])
    return _unwrap(client_key, practice_id, version, row["locked"])


async def lock_upload(
    connection: Connection, vault: Vault, practice_id: UUID, upload_id: UUID, name: str, key: bytes
) -> None:
    """Keep the key of an upload that begins beside its row, in the same transaction. Runs as the
    worker."""
    held, client_key = await _client_key(connection, vault, practice_id, whose(practice_id, name))
    wrapped = _wrap(client_key, practice_id, str(upload_id), key)
    if not await connection.fetchval(_LOCK_UPLOAD, practice_id, upload_id, held, wrapped):
        raise NoKey("no row names this upload")


async def key_of_upload(
    connection: Connection, vault: Vault, practice_id: UUID, upload_id: UUID
) -> bytes:
    """What opens what came of an upload. Raises NoKey. Runs as the worker."""
    row = await connection.fetchrow(_FIND_UPLOAD, practice_id, upload_id)
    if row is None or row["sealed"] is None:
        raise NoKey("the upload has no key, or it was destroyed")
    client_key = _opened(vault, practice_id, row["sealed"])
    return _unwrap(client_key, practice_id, str(upload_id), row["locked"])


async def _client_key(
    connection: Connection, vault: Vault, practice_id: UUID, owner: UUID
) -> tuple[UUID, AESGCM]:
    """The key in use, made if there is none, and its id."""
    held = await connection.fetchrow(_HELD, practice_id, owner)
    if held is None:
        fresh = vault.seal(practice_id, PURPOSE, new_key())
        await connection.execute(_MAKE, practice_id, owner, fresh)
        held = await connection.fetchrow(_HELD, practice_id, owner)
    assert held is not None
    return held["id"], _opened(vault, practice_id, held["sealed"])


def _opened(vault: Vault, practice_id: UUID, sealed: bytes) -> AESGCM:
    return AESGCM(vault.open(practice_id, PURPOSE, sealed))


def _wrap(client_key: AESGCM, practice_id: UUID, version: str, key: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + client_key.encrypt(nonce, key, _context(practice_id, version))


def _unwrap(client_key: AESGCM, practice_id: UUID, version: str, wrapped: bytes) -> bytes:
    nonce, body = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
    try:
        return client_key.decrypt(nonce, body, _context(practice_id, version))
    except InvalidTag as error:
        raise NoKey("what is kept beside the row is not this file's key") from error


def _context(practice_id: UUID, version: str) -> bytes:
    return b"mentalspace|file|" + practice_id.bytes + version.encode()
