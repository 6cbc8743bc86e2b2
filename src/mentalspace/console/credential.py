"""A credential's own page: how it stands, pausing and resuming it without an incident, and how a
new secret is entered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from mentalspace.console import former, words
from mentalspace.console.door import Missing, Visit
from mentalspace.console.queries.refused import read_refused
from mentalspace.console.remedy import LASTS, price_of, told
from mentalspace.engine.former import KEPT_DAYS, read_former
from mentalspace.engine.remedy import (
    WITHOUT_INCIDENT,
    Standing,
    act_on_credential,
    preflights,
    read_credential,
)
from mentalspace.engine.remedy.act import LONGEST_REASON, Order
from mentalspace.kernel.errors import Refused
from mentalspace.kernel.integration import CredentialField, Provider
from mentalspace.workflows.secret_entry import enter_secret, is_told

_ONE = """
select c.id, c.integration, c.provider, c.endpoint, c.live, c.rotated_at, c.created_at, c.version,
       c.entered_by, p.name as practice_name, p.slug
  from credential c join practice p on p.id = c.practice_id
 where c.id = $1 and c.active and c.drill is null
"""
# On this page, and on those of its incidents.
_ACTS = """
with acts as (
  select t.id, t.at, t.data, t.actor from lane l join timeline t on t.lane_id = l.id
   where l.credential_id = $1 and t.practice_id = l.practice_id and t.kind = 'acted'
  union
  select t.id, t.at, t.data, t.actor from incident i join timeline t on t.incident_id = i.id
   where i.credential_id = $1 and t.kind = 'acted'
)
select at, data, actor from acts where at > app.now() - interval '30 days'
 order by id desc limit 10
"""


async def credential(visit: Visit) -> Response:
    """What each button would do now; nothing changes."""
    return await _page(visit)


async def do(visit: Visit) -> Response:
    name = str(visit.request.path_params["name"])
    offered = next((one for one in WITHOUT_INCIDENT if one == name), None)
    if offered is None:
        raise Missing
    minutes = visit.field("minutes")
    order = Order(
        visit.person.name,
        visit.field("reason"),
        int(minutes) if minutes.isdecimal() and len(minutes) < 6 else None,
    )
    try:
        async with visit.services.database.as_oncall(visit.person.claims()) as connection:
            row = await connection.fetchrow(_ONE, visit.id())
            if row is None:
                raise Missing
            done = await act_on_credential(
                connection, row["id"], offered, order, _title(visit, row)
            )
    except Refused as error:
        return await _page(visit, refused=words.sentence(str(error)), http=409)
    return visit.go(f"/credentials/{row['id']}?done={done.name}&count={done.count}")


async def enter(visit: Visit) -> Response:
    """A new secret from the form: it goes in, and is never shown."""
    given = {name.removeprefix("field-"): visit.field(name) for name in visit.form}
    try:
        entered = await enter_secret(
            visit.services,
            visit.id(),
            given,
            actor=str(visit.person.user_id),
            name=visit.person.name,
            untried=visit.field("untried") == "yes",
            has_leaked=visit.field("leaked") == "yes",
        )
    except Refused as error:
        return await _page(visit, refused=words.sentence(str(error)), http=422)
    return visit.go(f"/credentials/{visit.id()}?done=secret&fields={','.join(entered)}")


async def _page(visit: Visit, *, refused: str | None = None, http: int = 200) -> Response:
    async with visit.services.database.as_oncall() as connection:
        row = await connection.fetchrow(_ONE, visit.id())
        if row is None:
            raise Missing
        standing = await read_credential(connection, row["id"])
        acts = await connection.fetch(_ACTS, row["id"])
        provider = visit.services.rooms[row["integration"]].provider(row["provider"])
        refused_hooks = await read_refused(connection, row["id"], provider)
        kept = await read_former(connection, row["id"])
    assert standing is not None, "the credential was there a moment ago"
    return await visit.show(
        "credential.html",
        http=http,
        credential=row,
        standing=standing,
        looked=_looked(visit, row, standing),
        acts=acts,
        refused=refused,
        done=_done(visit, provider),
        former=kept,
        kept_days=KEPT_DAYS,
        fields=provider.credential_fields,
        purposes={field.name: _purpose(field) for field in provider.credential_fields},
        refused_hooks=refused_hooks,
        credential_link=None,
        lasts=LASTS,
        longest=LONGEST_REASON,
        provider=visit.provider_title(row["integration"], row["provider"]),
    )


def _done(visit: Visit, provider: Provider) -> str | None:
    match visit.query("done"):
        case "secret":
            return _entered(provider, visit.query("fields").split(","))
        case "bring_back":
            return former.told(visit.query("count"))
        case "forgotten":
            return "The former one is wiped, for good."
    return told(visit.query("done"), visit.query("count"))


def _purpose(field: CredentialField) -> str:
    if not is_told(field):
        return "the provider signs its callbacks with it; no message needs it"
    if field.signs:
        return "messages are sent with it, and callbacks are signed with it"
    return "messages are sent with it"


def _entered(provider: Provider, names: Sequence[str]) -> str | None:
    """Which of them is in use now, which are as they were, and what follows for what waits."""
    new = [field for field in provider.credential_fields if field.name in names]
    kept = [field.name for field in provider.credential_fields if field.name not in names]
    if not new:
        return None
    said = f"The new secret is in use: {', '.join(field.name for field in new)}."
    if kept:
        said += f" As before: {', '.join(kept)}."
    if any(is_told(field) for field in new):
        return f"{said} Lanes that the old one had stopped run again, and what waits goes."
    return f"{said} Callbacks are compared with it from now on; lanes stand as they stood."


def _looked(visit: Visit, row: Any, standing: Standing) -> list[Any]:
    price = price_of(visit, row["integration"])
    looked = preflights(standing, _title(visit, row), price)
    return [one for one in looked if one.name in WITHOUT_INCIDENT]


def _title(visit: Visit, row: Any) -> Any:
    return lambda provider: visit.provider_title(row["integration"], provider)
