"""Puts up a file that is made here, by the same steps as one that somebody uploads."""

from __future__ import annotations

from uuid import UUID

from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.disk.landing import Landing
from mentalspace.integrations.storage.intake import Intake
from mentalspace.integrations.storage.keep import Said, Target, Told, keep, may_keep
from mentalspace.integrations.storage.store.acting import Deed


async def put_up(
    desk: Desk, deed: Deed, target: Target, content: bytes, media_type: str, said: Said
) -> UUID:
    """The new file's id. It is asked whether it may be, looked at as it lands, kept and copied to
    the practice's provider. Raises Refused."""
    limits = await may_keep(desk, deed, target)
    async with Landing(desk.shelf, deed.practice_id, check=desk.scanner.as_it_lands()) as landing:
        intake = Intake(landing, limits)
        intake.declare(media_type)
        await intake.write(content)
        intake.finish()
        return await keep(desk, deed, target, landing, Told(intake.media_type, "no-cache", said))
