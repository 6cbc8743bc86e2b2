"""What is written down when a labelled file leaves by a link: an accounting of disclosures."""

from __future__ import annotations

from mentalspace.engine.db import Connection, Database
from mentalspace.integrations.storage.model import client_of
from mentalspace.integrations.storage.store.acting import Deed, write_down
from mentalspace.integrations.storage.store.objects import Stored

_LINK = "select purpose, recipient, for_user, for_role from storage.link where id = $1"


async def write_disclosure_down(
    database: Database, connection: Connection, deed: Deed, found: Stored
) -> None:
    """Beside the reading's own entry, in its transaction; nothing of a file without a label, or of
    one that is read without a link."""
    if found.label is None or deed.link is None:
        return
    await database.go_on_as_worker(connection, deed.practice_id)
    link = await connection.fetchrow(_LINK, deed.link)
    data = {"label": found.label, "purpose": "not_stated", "recipient": "whoever has the link"}
    client = client_of(found.name)
    if client is not None:
        data["client"] = str(client)
    if link is not None:
        data["purpose"] = link["purpose"] or data["purpose"]
        known = f"user {link['for_user']}" if link["for_user"] else link["for_role"]
        data["recipient"] = link["recipient"] or known or data["recipient"]
    await write_down(
        database, connection, deed, "document_disclosed", subject=found.id,
        bucket=found.bucket_id, **data,
    )  # fmt: skip
