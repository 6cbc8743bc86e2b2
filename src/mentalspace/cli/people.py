"""Commands that let somebody in: a practice, and a person with a role in it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from mentalspace.cli.application import MakeApplication
from mentalspace.cli.ask import ask
from mentalspace.kernel.errors import Refused
from mentalspace.kernel.zones import zones

if TYPE_CHECKING:
    from mentalspace.engine.services import Services

SHORTEST_PASSWORD = 12


def add(app: typer.Typer, make: MakeApplication) -> None:
    user = typer.Typer(help="Who may sign in.", no_args_is_help=True)
    app.add_typer(user, name="user")

    # One command alone would be run without its name.
    @user.callback()
    def _() -> None: ...

    @user.command("add")
    def add_user(
        email: str,
        name: Annotated[str, typer.Option(help="As colleagues see it.")],
        role: Annotated[
            str, typer.Option(help="administrator, clinician, biller, front_desk or oncall.")
        ],
        practice: Annotated[
            str | None, typer.Option(help="Slug or id; else the default practice.")
        ] = None,
    ) -> None:
        """Let a person sign in; the password is asked for, or read from standard input."""
        application = make()
        password = _password()
        ask(application, lambda services: _add(services, email, name, role, practice, password))
        print(f"{role} added")

    @user.command("reset-second-factor")
    def reset_second_factor(email: str) -> None:
        """For whoever lost device and recovery codes: the next log-in begins a new one."""
        had = ask(make(), lambda services: _reset(services, email))
        print("second factor removed; their sessions ended" if had else "they had none")

    tenants = typer.Typer(help="The practices.", no_args_is_help=True)
    app.add_typer(tenants, name="practice")

    @tenants.callback()
    def _tenants() -> None: ...

    @tenants.command("add")
    def add_practice(
        slug: Annotated[str, typer.Argument(help="Short name: lower-case letters and dashes.")],
        name: Annotated[str, typer.Option(help="As clients read it.")],
        timezone: Annotated[str, typer.Option(help="Such as America/New_York.")],
        phone: Annotated[str | None, typer.Option(help="As clients may call it.")] = None,
    ) -> None:
        """Make a practice; one that is there already is left as it is."""
        if timezone not in zones():
            raise Refused("no_such_zone", "give an IANA time zone, such as America/New_York")
        practice_id = ask(
            make(), lambda services: _add_practice(services, slug, name, timezone, phone)
        )
        print(practice_id)


async def _add(
    services: Services, email: str, name: str, role: str, practice: str | None, password: str
) -> None:
    from email_validator import EmailNotValidError, validate_email

    from mentalspace.cli.tokens import practice_id_of
    from mentalspace.engine.db import connect_owner
    from mentalspace.practice.identity import create_user
    from mentalspace.practice.person import ROLES

    if role not in ROLES or role == "client":
        staff = ", ".join(r for r in ROLES if r != "client")
        raise Refused("no_such_role", f"there is no such role for staff; use {staff}")
    try:
        validate_email(email, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise Refused("not_an_address", "that is not an e-mail address") from error
    practice_id = None if role == "oncall" else await practice_id_of(services, practice)
    async with connect_owner(services.admin_url) as owner, owner.transaction():
        known = await owner.fetchval(
            "select exists (select from app_user where lower(email) = lower($1))", email
        )
        await create_user(owner, email, name, password, [(role, practice_id)])
    if known:
        print("known already: the password stays as it was", file=sys.stderr)


async def _reset(services: Services, email: str) -> bool:
    from mentalspace.engine.db import connect_owner
    from mentalspace.practice.colleague import reset_by_operator

    async with connect_owner(services.admin_url) as owner, owner.transaction():
        return await reset_by_operator(owner, email, "command line")


async def _add_practice(
    services: Services, slug: str, name: str, timezone: str, phone: str | None
) -> UUID:
    import asyncpg

    from mentalspace.engine.db import connect_owner
    from mentalspace.practice.tenancy import ensure_practice

    async with connect_owner(services.admin_url) as owner:
        try:
            return await ensure_practice(owner, slug, name=name, timezone=timezone, phone=phone)
        except asyncpg.CheckViolationError as error:
            raise Refused("bad_slug", "a slug has lower-case letters, digits and dashes") from error


def _password() -> str:
    if sys.stdin.isatty():
        given: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        given = sys.stdin.readline().rstrip("\n")
    if len(given) < SHORTEST_PASSWORD:
        raise Refused("short_password", f"give at least {SHORTEST_PASSWORD} characters")
    return given
