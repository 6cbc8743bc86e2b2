"""One call of somebody known, and what its handlers read from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.words import Call, Reply
from mentalspace.integrations.storage.supabase.sandbox.errors import Problem
from mentalspace.integrations.storage.supabase.sandbox.shelves import Shelves
from mentalspace.integrations.storage.supabase.sandbox.words import Json, option

Handler = Callable[["Visit"], Reply]

MOST_JSON_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: `role` is the database's; `subject` the user, where there is one."""

    role: str
    subject: str | None = None

    @property
    def above_policies(self) -> bool:
        return self.role == "service_role"


@dataclass(frozen=True, slots=True)
class Visit:
    """`account` is the project; `args` come from the path."""

    kit: Kit
    call: Call
    account: Account
    asker: Asker
    args: Mapping[str, str]
    shelves: Shelves

    @property
    def now(self) -> datetime:
        return self.kit.clock.now()

    @property
    def bucket(self) -> str:
        return self.args["bucket"]

    @property
    def name(self) -> str:
        return self.args["name"]

    def option(self, name: str) -> Any:
        return option(self.kit, self.account, name)

    def header(self, name: str) -> str | None:
        return self.call.headers.get(name)

    def query(self, name: str) -> str | None:
        values = parse_qs(self.call.query, keep_blank_values=True).get(name)
        return values[-1] if values else None

    def json(self) -> Json:
        """The body as an object; an empty body is an empty one."""
        raw = self.call.body
        if self.call.file is not None:
            with self.call.file.open("rb") as source:
                raw = source.read(MOST_JSON_BYTES)
        try:
            body = json.loads(raw or b"{}")
        except ValueError as error:
            raise Problem("InvalidRequest", "Body is not valid JSON") from error
        if not isinstance(body, dict):
            raise Problem("InvalidRequest", "body must be object")
        return body

    def may(self, operation: str, bucket: str | None = None) -> bool:
        """What the policies on `storage.objects` allow: the service's role everything, others what
        the option says."""
        allowed = self.option("policies").get(bucket or self.bucket, {})
        return self.asker.above_policies or bool(operation in allowed.get(self.asker.role, ()))

    def demand(self, operation: str, bucket: str | None = None) -> None:
        """Raises the Problem of a new row that no policy lets in."""
        if not self.may(operation, bucket):
            raise Problem("AccessDenied")
