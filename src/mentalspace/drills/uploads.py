"""Rehearses uploads over a bad line: through the running surface, behind a proxy that breaks it."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from io import BytesIO
from types import MappingProxyType
from uuid import uuid4

import aiohttp
from yarl import URL

from mentalspace.emulator.proxy import FaultProxy, Weather
from mentalspace.engine.db import connect_owner
from mentalspace.engine.services import Services
from mentalspace.practice.tenancy import ensure_practice
from mentalspace.practice.token import mint_token

BUCKET = "test-documents"
PLACE = "/storage/v1/upload/resumable"
CALL_WITHIN_S = 30.0
SIZE_BYTES, CUT_AFTER_BYTES = 3_000_000, 1_600_000


class Uploads:
    """Somebody of the drills' practice with a document, and the line between them and us."""

    closing = "what was uploaded is deleted again"

    def __init__(self, services: Services, run_id: str) -> None:
        self._services = services
        self._name = f"drill-{run_id}.pdf"
        # Another one each time: nothing that was there before is taken for it.
        self._content = b"%PDF-1.7\n" + random.Random(run_id).randbytes(SIZE_BYTES)
        self._open = AsyncExitStack()
        self._upload = URL()

    async def come(self) -> None:
        async with connect_owner(self._services.admin_url) as owner:
            practice_id = await ensure_practice(
                owner, "drill", name="Drills", timezone="UTC", is_drill=True
            )
        token = mint_token(
            self._services.jwt_secret,
            user_id=uuid4(),
            role="administrator",
            practice_id=practice_id,
        )
        port = self._services.settings.port
        self._proxy = await self._open.enter_async_context(FaultProxy("127.0.0.1", port))
        self._http = await self._open.enter_async_context(
            aiohttp.ClientSession(
                URL(f"http://127.0.0.1:{self._proxy.port}"),
                headers={"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"},
                timeout=aiohttp.ClientTimeout(total=CALL_WITHIN_S),
                connector=aiohttp.TCPConnector(force_close=True),
            )
        )

    async def leave(self) -> None:
        async with self._open:  # which is closed at its end
            self._proxy.weather = Weather()
            await self._http.delete(f"/storage/v1/object/{BUCKET}/{self._name}")

    async def cut_the_line_in_the_middle(self) -> str:
        await self._begin()
        self._proxy.weather = Weather("cut", after_bytes=CUT_AFTER_BYTES)
        return await self._send(0)

    async def look_for_the_file_meanwhile(self) -> str:
        self._proxy.weather = Weather()
        return await self._look_for_it()

    async def ask_how_much_came(self) -> str:
        offset = await self._offset()
        return "a part of it" if 0 < offset <= CUT_AFTER_BYTES else f"{offset} bytes"

    async def go_on_from_there(self) -> str:
        said = await self._send(await self._offset())
        return f"{said}; {await self._look_for_it()}"

    async def lose_the_last_answer(self) -> str:
        await self._begin()
        self._proxy.weather = Weather("reset")
        return await self._send(0)

    async def ask_whether_all_of_it_came(self) -> str:
        self._proxy.weather = Weather()
        whole = await self._offset() == len(self._content)
        return f"{'all of it' if whole else 'not all of it'}; {await self._look_for_it()}"

    async def send_what_is_left_again(self) -> str:
        """As a client does that never heard: nothing is left, and nothing is doubled."""
        said = await self._send(await self._offset())
        body = {"prefix": "", "search": self._name}
        async with self._http.post(f"/storage/v1/object/list/{BUCKET}", json=body) as answer:
            rows = await answer.json()
        return f"{said}; there {len(rows)} time{'s' * (len(rows) != 1)}"

    async def _begin(self) -> None:
        said = {
            "bucketName": BUCKET,
            "objectName": self._name,
            "contentType": "application/pdf",
        }
        metadata = (f"{key} {base64.b64encode(said[key].encode()).decode()}" for key in said)
        headers = {
            "Upload-Length": str(len(self._content)),
            "Upload-Metadata": ",".join(metadata),
        }
        async with self._http.post(PLACE, headers=headers) as answer:
            answer.raise_for_status()
            self._upload = URL(answer.headers["location"])

    async def _send(self, offset: int) -> str:
        """All from there on, in one piece."""
        headers = {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
        }
        content = BytesIO(self._content[offset:])
        try:
            async with self._http.patch(self._upload, data=content, headers=headers) as answer:
                return "taken" if answer.status == 204 else f"answered {answer.status}"
        except aiohttp.ClientError:
            return "no answer"

    async def _offset(self) -> int:
        async with self._http.head(self._upload) as answer:
            answer.raise_for_status()
            return int(answer.headers["upload-offset"])

    async def _look_for_it(self) -> str:
        async with self._http.get(f"/storage/v1/object/{BUCKET}/{self._name}") as answer:
            if answer.status != 200:
                return "no such file"
            same = hashlib.sha256(await answer.read()).digest() == self._digest
        return "the file is whole" if same else "the file is another"

    @property
    def _digest(self) -> bytes:
        return hashlib.sha256(self._content).digest()


Act = Callable[[Uploads], Awaitable[str]]

# What a rehearsal's steps may do.
ACTS: Mapping[str, Act] = MappingProxyType(
    {
        act.__name__: act
        for act in (
            Uploads.cut_the_line_in_the_middle,
            Uploads.look_for_the_file_meanwhile,
            Uploads.ask_how_much_came,
            Uploads.go_on_from_there,
            Uploads.lose_the_last_answer,
            Uploads.ask_whether_all_of_it_came,
            Uploads.send_what_is_left_again,
        )
    }
)
