"""Sends texts through Twilio's Messages API."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from mentalspace.engine.outbound import retry_after_s
from mentalspace.integrations.sms.model import Text
from mentalspace.integrations.sms.number import Kind
from mentalspace.integrations.sms.sender.expected import Sender
from mentalspace.integrations.sms.twilio import wire
from mentalspace.integrations.sms.twilio.registration import Asked, find_number, read_sender
from mentalspace.kernel.delivery import Receipt
from mentalspace.kernel.errors import Evidence, ProviderError, WebhookRefused
from mentalspace.kernel.event import Event
from mentalspace.kernel.ids import reference_of
from mentalspace.kernel.integration import Answer, Credential, Http

T = TypeVar("T")

# How late Twilio's list may be is documented nowhere, so no time proves that what is missing was
# not taken. What proves it is a message on the list that is this much newer: longer than a request
# may be under way, than clocks differ, and than the list may show things out of order.
GRACE = timedelta(seconds=120)
# How soon it is looked at again while nothing newer is listed.
LOOK_AGAIN = timedelta(minutes=4)
# A request may be dated before we began it, for clocks differ; and between taking a text up and
# asking after it, it may have waited for its turn.
SKEW = timedelta(minutes=10)
# A thousand texts each to one number in the time of one attempt: something else is wrong.
MOST_PAGES = 5


class TwilioAdapter:
    def __init__(self, http: Http, credential: Credential) -> None:
        self._http = http
        self._base_url = credential.base_url.rstrip("/")
        self._hook_url = credential.hook_url
        self._sid = credential.secrets["account_sid"]
        self._root = f"{self._base_url}{wire.API}/{self._sid}"
        self._from = wire.from_of(credential.secrets)
        self._headers = {"Authorization": wire.authorisation(credential.secrets)}

    async def send(self, payload: bytes, *, idempotency_key: str) -> Receipt:
        """POST Messages.json. Twilio knows no key: a repeat is a second text."""
        callback = wire.callback_url(self._hook_url, reference_of(idempotency_key))
        answer = await self._http.request(
            "POST",
            f"{self._root}/Messages.json",
            headers={**self._headers, "Content-Type": "application/x-www-form-urlencoded"},
            body=wire.message_form(Text.from_bytes(payload), self._from, callback),
        )
        sid = _read(answer, lambda told: wire.sid_of(wire.thing_of(told)))
        return Receipt(sid, wire.request_id(answer))

    async def reconcile(
        self,
        payload: bytes,
        *,
        idempotency_key: str,  # noqa: ARG002
        first_attempt_age: timedelta,
        last_send_age: timedelta,
        taken: Collection[str],
    ) -> Receipt | None:
        """Look for the text in Twilio's list, by recipient, sender, words and time.

        Missing, it was surely not taken once the list shows what is newer. In a practice that
        texts little that may not come about: then a person decides, and nobody is texted twice.
        """
        found = await self._candidates(Text.from_bytes(payload), first_attempt_age, taken)
        if len(found) > 1:
            raise ProviderError(Evidence("refused_locally", code="several_candidates"))
        if found:
            return Receipt(found[0])
        if last_send_age < GRACE:
            raise _look_again("not_listed_yet", GRACE - last_send_age)
        if not await self._lists_newer(last_send_age - GRACE):
            raise _look_again("nothing_newer_listed", LOOK_AGAIN)
        return None

    async def look_up(self, provider_message_id: str) -> Event | None:
        """GET one message: its state, as its callback would have told it."""
        answer = await self._get(f"{self._root}/Messages/{provider_message_id}.json")
        event = _read(answer, lambda told: wire.event_of(wire.thing_of(told)))
        return event if event.status is not None else None

    async def check(self) -> str:
        """GET the account and its number, without sending."""
        account = await self._ask(f"{self._root}.json")
        if account.get("status") != "active":
            raise ProviderError(Evidence("http", http=200, code="20005"))
        if self._from.service is not None:
            return "account accepted; texts go by the messaging service"
        if await find_number(self._ask, self._root, self._from.number) is None:
            raise ProviderError(Evidence("http", http=200, code="21606"))
        return "account and number accepted"

    async def sender(self) -> Sender:
        """What Twilio tells of the number, its service and its registration."""
        asked = Asked(
            self._base_url, self._sid, self._from.number, self._from.service, self._hook_url
        )
        return await read_sender(self._ask, asked)

    async def line_type(self, e164: str) -> str | None:
        """What Lookup calls a number: mobile, landline, nonFixedVoip, …. Each question costs."""
        base = self._base_url
        if base == wire.LIVE_BASE_URL:
            base = wire.LIVE_LOOKUP_URL
        answer = await self._http.request(
            "GET", f"{base}{wire.lookup_path(e164)}", headers=self._headers
        )
        return _read(answer, wire.line_type)

    async def kind_of(self, e164: str) -> Kind | None:
        """The same in our words; None for a type that Twilio did not have when this was written."""
        word = await self.line_type(e164)
        return wire.KIND_OF.get(word) if word else None

    async def _candidates(self, text: Text, age: timedelta, taken: Collection[str]) -> list[str]:
        """The ids of all that may be this text. Raises ProviderError if it cannot be told."""
        found: list[str] = []
        path = wire.list_path(self._sid, text.to)
        for _ in range(MOST_PAGES):
            page = _read(await self._look(f"{self._base_url}{path}"), wire.page_of)
            since = page.answered_at - age - SKEW
            fresh = [one for one in page.messages if one.created_at >= since]
            found += [
                one.sid
                for one in fresh
                if one.sid not in taken and self._from.sent(one) and one.says(text.body)
            ]
            if page.next_path is None or len(fresh) < len(page.messages):
                return found
            path = page.next_path
        raise ProviderError(Evidence("refused_locally", code="list_too_long"))

    async def _lists_newer(self, age: timedelta) -> bool:
        """Whether the account's list shows a message, to whomever, that is younger than this."""
        page = _read(
            await self._look(f"{self._base_url}{wire.newest_path(self._sid)}"), wire.page_of
        )
        return any(one.created_at > page.answered_at - age for one in page.messages)

    async def _look(self, url: str) -> Answer:
        """A page of the list. A question that Twilio calls wrong is no refusal of the text."""
        answer = await self._get(url)
        if answer.http == 400:
            raise ProviderError(Evidence("refused_locally", code="cannot_be_looked_up"))
        return answer

    async def _ask(self, url: str) -> Mapping[str, Any]:
        return _read(await self._get(url), wire.thing_of)

    async def _get(self, url: str) -> Answer:
        return await self._http.request("GET", url, headers=self._headers)


def _look_again(code: str, after: timedelta) -> ProviderError:
    seconds = after.total_seconds()
    return ProviderError(Evidence("http", http=200, code=code, retry_after_s=seconds))


def _read(answer: Answer, read: Callable[[Answer], T]) -> T:
    """A success, read. Raises ProviderError for anything else: what cannot be read was probably
    taken."""
    if answer.http not in (200, 201):
        raise wire.error_of(answer, retry_after_s(answer.headers))
    try:
        return read(answer)
    except (ValueError, KeyError, TypeError, AttributeError, WebhookRefused) as error:
        evidence = Evidence("malformed", http=answer.http, request_id=wire.request_id(answer))
        raise ProviderError(evidence) from error
