"""Who somebody is to the practice, and what their role lets them do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args
from uuid import UUID

from mentalspace.kernel.phi import Phi

Role = Literal["administrator", "clinician", "biller", "front_desk", "client", "oncall"]
ROLES: tuple[Role, ...] = get_args(Role)

Permission = Literal[
    "agreements.read",
    "agreements.write",
    "appointments.read",
    "appointments.write",
    "audit.read",
    "clients.read",
    "clients.write",
    "consent.write",
    "credentials.write",
    "deliveries.decide",
    "deliveries.read",
    "drills.run",
    "imports.write",
    "incidents.act",
    "incidents.read",
    "mails.preview",
    "morning.read",
    "oncall.write",
    "payloads.open",
    "people.write",
    "reminders.read",
    "reminders.write",
    "runbooks.read",
    "sandbox.use",
    "tasks.read",
    "tasks.write",
    "texts.read",
    "texts.write",
]

# The database's policies say whose rows; this table says which doors. Both must agree to open.
PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        "administrator": frozenset(
            {
                "agreements.read",
                "agreements.write",
                "appointments.read",
                "appointments.write",
                "audit.read",
                "clients.read",
                "clients.write",
                "consent.write",
                "credentials.write",
                "deliveries.decide",
                "deliveries.read",
                "drills.run",
                "imports.write",
                "incidents.read",
                "mails.preview",
                "morning.read",
                "payloads.open",
                "people.write",
                "reminders.read",
                "reminders.write",
                "runbooks.read",
                "sandbox.use",
                "tasks.read",
                "tasks.write",
                "texts.read",
                "texts.write",
            }
        ),
        "clinician": frozenset(
            {
                "appointments.read",
                "appointments.write",
                "clients.read",
                "clients.write",
                "consent.write",
                "deliveries.decide",
                "deliveries.read",
                "reminders.read",
                "runbooks.read",
                "sandbox.use",
                "tasks.read",
                "tasks.write",
                "texts.read",
                "texts.write",
            }
        ),
        "biller": frozenset(
            {
                "appointments.read",
                "clients.read",
                "deliveries.read",
                "runbooks.read",
                "sandbox.use",
                "tasks.read",
                "tasks.write",
            }
        ),
        "front_desk": frozenset(
            {
                "appointments.read",
                "appointments.write",
                "clients.read",
                "clients.write",
                "consent.write",
                "deliveries.decide",
                "deliveries.read",
                "imports.write",
                "mails.preview",
                "morning.read",
                "reminders.read",
                "runbooks.read",
                "sandbox.use",
                "tasks.read",
                "tasks.write",
                "texts.read",
                "texts.write",
            }
        ),
        "client": frozenset({"appointments.read", "deliveries.read"}),
        "oncall": frozenset(
            {
                "agreements.read",
                "audit.read",
                "deliveries.decide",
                "deliveries.read",
                "drills.run",
                "incidents.act",
                "incidents.read",
                "oncall.write",
                "payloads.open",
                "runbooks.read",
                "sandbox.use",
            }
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody signed in, in one role at one practice; on-call engineers have no practice.

    `name`, `email` and `practice_name` are empty for whoever came with a token. `csrf` is the
    session's token, empty where there is no session. Whoever `must_enrol` a second factor may
    do that and nothing else.
    """

    user_id: UUID
    name: str
    email: Phi[str]
    role: Role
    practice_id: UUID | None
    practice_name: str | None
    client_id: UUID | None
    csrf: str = field(repr=False)
    must_enrol: bool = False

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS[self.role]

    def claims(self) -> dict[str, Any]:
        """What the database's policies read, in Supabase's shape."""
        return {
            "sub": str(self.user_id),
            "role": "authenticated",
            "practice": None if self.practice_id is None else str(self.practice_id),
            "practice_role": self.role,
            "client": None if self.client_id is None else str(self.client_id),
        }
