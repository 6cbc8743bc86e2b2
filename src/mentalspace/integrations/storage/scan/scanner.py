"""Looks whether a file is harmful: by ClamAV where it is set up, and by few marks otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from mentalspace.integrations.storage.scan import clamd
from mentalspace.integrations.storage.scan.built_in import BuiltIn
from mentalspace.integrations.storage.scan.verdict import ScannerAway, Verdict

# As long as a scan may take at all.
AT_MOST_S = 60.0


@dataclass(frozen=True, slots=True)
class Scanner:
    """`clamav` is its address, or None."""

    clamav: str | None

    @property
    def at_once_s(self) -> float:
        """How long an upload may wait for what is found. The built-in check is work of this
        process, which a worker would do no sooner."""
        return 10.0 if self.clamav is None else 1.0

    def as_it_lands(self) -> BuiltIn | None:
        """What looks at a file while it comes in, so that it need not be read again; None for
        ClamAV, which no upload waits for so long."""
        return BuiltIn() if self.clamav is None else None

    async def look(self, pieces: AsyncIterator[bytes], *, within_s: float = AT_MOST_S) -> Verdict:
        """Reads `pieces` to their end, if need be, and closes them. Raises ScannerAway, or TooLong;
        what they raise goes through."""
        async with aclosing(pieces):  # type: ignore[type-var]
            if self.clamav is not None:
                return await clamd.ask(self.clamav, pieces, within_s=within_s)
            built_in = BuiltIn()
            try:
                async with asyncio.timeout(within_s) as time:
                    async for piece in pieces:
                        await asyncio.to_thread(built_in.feed, piece)
            except TimeoutError as error:
                if not time.expired():
                    raise
                raise ScannerAway("the check took too long") from error
            return built_in.verdict()
