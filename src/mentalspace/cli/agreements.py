"""The register of vendor agreements, without which what names clients does not go out live."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.cli.table import table
from mentalspace.kernel.errors import Refused

if TYPE_CHECKING:
    from mentalspace.engine.services import Services

ACTOR = "command line"

_LIST = """
select a.id, p.slug, a.vendor, a.signed_on, a.expires_on, a.revoked_at,
       a.signed_on <= app.today(p.id) as begun,
       coalesce(a.expires_on <= app.today(p.id), false) as ended
  from vendor_agreement a join practice p on p.id = a.practice_id
 where a.drill is null order by p.slug, a.vendor, a.signed_on desc
"""


def add(app: typer.Typer, make: MakeApplication) -> None:
    agreement = typer.Typer(help="Agreements with vendors (BAA).", no_args_is_help=True)
    app.add_typer(agreement, name="agreement")

    @agreement.command("add")
    def record(
        vendor: Annotated[str, typer.Argument(help="The provider's name, such as smtp.")],
        practice: Annotated[str, typer.Option(help="Slug or id.")],
        signed: Annotated[str, typer.Option(help="The day, as 2026-11-23.")],
        expires: Annotated[
            str | None, typer.Option(help="The first day on which it holds no more.")
        ] = None,
        reference: Annotated[str, typer.Option(help="Where the document is kept.")] = "",
    ) -> None:
        """Record a signed agreement; what waited for it goes out. Prints its id."""
        signed_on = _day(signed)
        expires_on = None if expires is None else _day(expires)
        print(ask(make(), lambda s: _record(s, vendor, practice, signed_on, expires_on, reference)))

    @agreement.command("list")
    def list_() -> None:
        """Every practice's agreements, and whether each holds today."""
        print(ask(make(), _listed))

    @agreement.command("revoke")
    def revoke(agreement_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
        """It holds no more: what names clients stops at once."""
        try:
            wanted = UUID(agreement_id)
        except ValueError as error:
            raise Refused("no_such_agreement", "there is no agreement of that id") from error
        vendor = ask(make(), lambda services: _revoke(services, wanted))
        print(f"the agreement with {vendor} is revoked")


async def _record(
    services: Services,
    vendor: str,
    practice: str,
    signed_on: date,
    expires_on: date | None,
    reference: str,
) -> UUID:
    from mentalspace.cli.tokens import practice_id_of
    from mentalspace.engine.agreement import NewAgreement
    from mentalspace.practice.agreement import record_agreement
    from mentalspace.workflows.demo import system_claims

    practice_id = await practice_id_of(services, practice)
    new = NewAgreement(practice_id, vendor, signed_on, expires_on, reference)
    async with services.database.as_user(system_claims(practice_id)) as connection:
        return await record_agreement(connection, services.rooms, new, actor=ACTOR, name=ACTOR)


async def _listed(services: Services) -> str:
    async with services.database.as_oncall() as connection:
        rows = await connection.fetch(_LIST)
    shown = [
        (
            str(row["id"]),
            row["slug"],
            row["vendor"],
            str(row["signed_on"]),
            str(row["expires_on"] or "open"),
            _state(row["revoked_at"] is not None, row["begun"], row["ended"]),
        )
        for row in rows
    ]
    return table(("id", "practice", "vendor", "signed", "ends", "today"), shown)


async def _revoke(services: Services, agreement_id: UUID) -> str:
    from mentalspace.practice.agreement import withdraw_agreement
    from mentalspace.workflows.demo import system_claims

    async with services.database.as_oncall() as connection:
        practice_id = await connection.fetchval(
            "select practice_id from vendor_agreement where id = $1 and revoked_at is null",
            agreement_id,
        )
    if practice_id is None:
        raise Refused("no_such_agreement", "there is no agreement of that id, or it is revoked")
    async with services.database.as_user(system_claims(practice_id)) as connection:
        vendor = await withdraw_agreement(
            connection, practice_id, agreement_id, actor=ACTOR, name=ACTOR
        )
    if vendor is None:
        raise Refused("no_such_agreement", "somebody else has just revoked it")
    return vendor


def _state(revoked: bool, begun: bool, ended: bool) -> str:
    if revoked:
        return "revoked"
    if ended:
        return "has ended"
    return "holds" if begun else "not yet signed"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Refused("not_a_day", f"{text!r} is no day; write it as 2026-11-23") from error
