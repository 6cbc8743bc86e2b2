"""A client's code goes out by text, or a link by mail where no text can."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from mentalspace.engine.ledger import NewDelivery, cancel_subjects, enqueue, record
from mentalspace.engine.services import Services
from mentalspace.integrations.sms.model import Text
from mentalspace.integrations.sms.number import NotANumber, Number, normalise
from mentalspace.integrations.sms.render import code_text
from mentalspace.kernel.phi import Phi
from mentalspace.practice.access import new_token
from mentalspace.practice.one_time_code import (
    CODE_LASTS,
    Asker,
    find_asker,
    may_text,
    open_code,
    open_link,
)
from mentalspace.practice.saying.facts import Language, language_of
from mentalspace.workflows.access_mails import ask_reset, write_reset
from mentalspace.workflows.demo import system_claims

KIND = "log_in_code"


async def send_code(services: Services, attempt: str, who: str) -> None:
    """Open the attempt, and text its code to whoever has that address or number. Where their
    number takes no texts, has had too many, or lies where nobody of ours lives, a mail with a link
    goes instead. Nobody learns from this whether there is such a person."""
    asker = await find_asker(
        services.database, who, _dialled(who), demo_allowed=not services.settings.is_production
    )
    number = None if asker is None else _textable(services, asker)
    async with services.database.as_door() as connection:
        allowed = number is not None and await may_text(
            connection, services.vault, number.e164, number.region
        )
        code = await open_code(connection, services.vault, attempt, asker if allowed else None)
    if asker is None:
        return
    sent = False
    if allowed and number is not None:
        async with services.database.as_user(system_claims(asker.practice_id)) as connection:
            await cancel_subjects(
                connection, code.voided, reason="a newer code was asked for", actor="log-in"
            )
            text = _text(services, number.e164, code.digits, language_of(asker.language))
            delivery_id = await enqueue(
                connection,
                services.vault,
                NewDelivery(
                    practice_id=asker.practice_id,
                    integration="sms",
                    lane_class="interactive",
                    kind=KIND,
                    idempotency_key=f"sms/{KIND}/{code.id}",
                    payload=text.to_bytes(),
                    recipient=Phi(number.e164),
                    expires_at=services.clock.now() + CODE_LASTS,
                    subject_type="one_time_code",
                    subject_id=code.id,
                    client_id=asker.client_id,
                ),
            )
            sent = delivery_id is not None
    if not sent:
        await ask_reset(services, asker.email.reveal())


async def mail_links(services: Services) -> None:
    """Where the text of a code ended badly, its client gets the link by mail, unless they asked
    for it or got in since."""
    while await _mail_link(services):
        pass


async def _mail_link(services: Services) -> bool:
    """For one of them, in one transaction; False if there is none."""
    token = new_token()
    async with services.database.as_door() as connection:
        link = await open_link(connection, token)
        if link is None or link.email is None:
            return link is not None
        await services.database.go_on_as_worker(connection, link.practice_id)
        mail_id = await write_reset(
            services, connection, link.practice_id, link.user_id, link.email, link.language, token
        )
        await record(
            connection,
            "link_by_mail" if mail_id else "not_told_otherwise",
            practice_id=link.practice_id,
            delivery_id=link.delivery_id,
            data={"mail": str(mail_id)} if mail_id else {"reason": "no e-mail credential"},
        )
        return True


def _text(services: Services, to: str, code: str, language: Language) -> Text:
    host = urlsplit(services.settings.site_url).hostname or ""
    return code_text(code, int(CODE_LASTS / timedelta(minutes=1)), host, language, to)


def _dialled(who: str) -> str | None:
    try:
        return None if "@" in who else normalise(who).e164
    except NotANumber:
        return None


def _textable(services: Services, asker: Asker) -> Number | None:
    """Their number, if a text can reach it and its country is one where clients live."""
    if asker.phone is None:
        return None
    try:
        number = normalise(asker.phone.reveal())
    except NotANumber:
        return None
    takes = number.kind in ("mobile", "either")
    return number if takes and number.region in services.settings.text_regions else None
