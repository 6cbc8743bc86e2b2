"""What people text to the practice: kept, understood where it is clear, and answered once.

All of it happens in the inbox's transaction, so that a webhook that comes twice is heard once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

from mentalspace.engine.db import Connection
from mentalspace.engine.inbox import Heard
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.secrets import Vault
from mentalspace.integrations.sms.number import dials
from mentalspace.integrations.sms.render import AnswerKind, answer_text
from mentalspace.practice.answer_words import Answer, read_answer
from mentalspace.practice.consent_words import Keyword, read_keyword, revokes
from mentalspace.practice.saying.facts import Language, Letterhead, language_of
from mentalspace.practice.task import ask_to_answer
from mentalspace.practice.text_message import (
    Meaning,
    NewText,
    Told,
    candidates,
    keep_text,
    last_called_off,
    read_told,
    understand,
)
from mentalspace.workflows.appointment_mails import MailDesk
from mentalspace.workflows.client_word import (
    call_off_asked,
    cancel_until,
    confirm_asked,
    read_asked,
)
from mentalspace.workflows.consent_texts import hear_help, hear_start, hear_stop
from mentalspace.workflows.landline import believe_text

ACTOR = "client by text"

# An answer later than this answers nothing that is still in somebody's mind.
_USEFUL = timedelta(hours=1)
_UNCLEAR = "A client has texted: read it and answer."
_SEVERAL = (
    "A client has answered a reminder by text, and several appointments wait for an answer:"
    " find out which is meant."
)
_SHARED = "A text has come from a telephone that several clients share: find out whose it is."
_PERHAPS_NO_MORE = (
    "A client has texted, and may want no more texts: read it, ask them, and note what they say."
)
_TOO_LATE = "A client wants to cancel by text, later than your rules let them: call them."


class _Whose(TypedDict):
    client_id: UUID | None
    language: Language


@dataclass(frozen=True, slots=True)
class _Said:
    """One message under way. `person` is the client, with the practice's letterhead; None where
    it is not known whose telephone it is."""

    connection: Connection
    heard: Heard
    message_id: UUID
    key: str
    person: Any | None
    told: Sequence[Told]
    now: datetime

    @property
    def client_id(self) -> UUID | None:
        return None if self.person is None else self.person["id"]


@dataclass(frozen=True, slots=True)
class Conversation:
    """`desk(now)` is what writing an appointment's mails needs."""

    vault: Vault
    desk: Callable[[datetime], MailDesk]

    async def hear(self, connection: Connection, heard: Heard) -> None:
        """Take in what somebody texted; a second time changes nothing."""
        message = heard.message
        new = NewText(
            heard.practice_id,
            heard.credential_id,
            message.provider_message_id,
            message.sender,
            message.body,
            heard.drill,
        )
        message_id = await keep_text(connection, self.vault, new)
        if message_id is None:
            return
        number, key = (
            message.sender.reveal(),
            self.vault.recipient_key(heard.practice_id, message.sender.reveal()),
        )
        rows = await candidates(connection, heard.practice_id, number)
        people = {row["id"]: row for row in rows if dials(row["phone"], number)}
        told = [
            each
            for each in await read_told(connection, heard.practice_id, key, heard.drill)
            if each.client_id in people
        ]
        now = await connection.fetchval("select app.now()")
        person = _speaker(people, told)
        said = _Said(connection, heard, message_id, key, person, told, now)
        done = await self._heed(said)
        # After START, which lifts what stands and says so; before anything that is answered.
        await believe_text(connection, heard, key, ACTOR)
        if done is not None:
            await understand(connection, message_id, done, client_id=said.client_id)
        elif not people:
            await understand(connection, message_id, "unknown_number")
        elif revokes(message.body.reveal()):
            await self._ask_front_desk(said, _PERHAPS_NO_MORE)
        elif (answer := read_answer(message.body.reveal())) is not None and person is not None:
            await self._answer(said, answer)
        else:
            await self._ask_front_desk(said, _UNCLEAR if person else _SHARED)

    async def _heed(self, said: _Said) -> Meaning | None:
        """Whether they want texts at all goes before whatever else it may mean."""
        heard, body = said.heard, said.heard.message.body.reveal()
        language = language_of(said.person["language"] if said.person else None)
        whose: _Whose = {"client_id": said.client_id, "language": language}
        by_provider = heard.message.opt_out
        keyword = Keyword(by_provider.lower()) if by_provider else read_keyword(body)
        match keyword:
            case Keyword.STOP:
                await hear_stop(said.connection, self.vault, heard, **whose)
                return "stop"
            case Keyword.START:
                lifted = await hear_start(said.connection, self.vault, heard, **whose)
                return "start" if lifted or by_provider else None
            case Keyword.HELP:
                await hear_help(said.connection, self.vault, heard, **whose)
                return "help"
        if revokes(body) == "surely":
            await hear_stop(said.connection, self.vault, heard, **whose, how="free_text")
            return "stop"
        return None

    async def _answer(self, said: _Said, answer: Answer) -> None:
        """1 or 2, about the one appointment that it can be about."""
        connection, heard = said.connection, said.heard
        chosen = _about(said.told, answer)
        if chosen is None and answer == "cancel" and not said.told:
            gone = await last_called_off(connection, heard.practice_id, said.key, heard.drill)
            if gone is not None:
                row = await read_asked(connection, gone)
                await self._reply(said, "cancelled", row, again=True)
                return
        if chosen is None:
            await self._ask_front_desk(said, _SEVERAL if said.told else _UNCLEAR)
            return
        row = await read_asked(connection, chosen.id, lock=True)
        if row["status"] == "cancelled" or row["starts_at"] <= said.now:
            await self._ask_front_desk(said, _UNCLEAR)
        elif answer == "confirm":
            before = row["confirmed_at"] is not None
            if not before:
                await confirm_asked(connection, row, ACTOR)
            await self._reply(said, "confirmed", row, again=before)
        elif said.now > cancel_until(row):
            await self._ask_front_desk(said, _TOO_LATE, "too_late", row)
        else:
            # The answer is the one message about it.
            desk = replace(self.desk(said.now), further=None)
            await call_off_asked(connection, desk, row, ACTOR)
            await self._reply(said, "cancelled", row)

    async def _ask_front_desk(
        self, said: _Said, text: str, meaning: Meaning = "unclear", row: Any | None = None
    ) -> None:
        """A person reads it. The client is told so when the front desk is asked, not each time."""
        asked = await ask_to_answer(
            said.connection,
            said.heard.practice_id,
            said.key,
            text,
            client_id=said.client_id,
            drill=said.heard.drill,
        )
        if asked and said.person is not None:
            key = f"{meaning}/{said.message_id}"
            kind: AnswerKind = "too_late" if meaning == "too_late" else "unclear"
            await self._send(said, kind, key)
        await understand(
            said.connection,
            said.message_id,
            meaning,
            client_id=said.client_id,
            appointment_id=None if row is None else row["id"],
        )

    async def _reply(self, said: _Said, meaning: Meaning, row: Any, *, again: bool = False) -> None:
        """Say what holds now; whoever says it again is told once more, and then no more."""
        key = f"{meaning}/{row['id']}/{row['version']}{'/again' if again else ''}"
        kind: AnswerKind = "confirmed" if meaning == "confirmed" else "called_off"
        starts_at = row["starts_at"].astimezone(ZoneInfo(row["timezone"]))
        await self._send(said, kind, key, starts_at)
        await understand(
            said.connection,
            said.message_id,
            meaning,
            client_id=said.client_id,
            appointment_id=row["id"],
        )

    async def _send(
        self, said: _Said, kind: AnswerKind, key: str, starts_at: datetime | None = None
    ) -> None:
        """To the number it came from, by the credential it came to, at any hour: they are awake.
        Who wants no texts gets none."""
        heard, person = said.heard, said.person
        assert person is not None
        refused = await said.connection.fetchval(
            "select app.is_suppressed($1, 'sms', $2, $3, $4)",
            heard.practice_id,
            said.key,
            heard.drill,
            said.client_id,
        )
        if refused:
            return
        head = Letterhead(
            person["practice_name"], person["practice_phone"], language_of(person["language"])
        )
        text = answer_text(kind, head, heard.message.sender.reveal(), starts_at)
        await enqueue(
            said.connection,
            self.vault,
            NewDelivery(
                practice_id=heard.practice_id,
                integration="sms",
                lane_class="interactive",
                kind=text.kind,
                idempotency_key=f"sms/answer/{key}",
                payload=text.to_bytes(),
                recipient=heard.message.sender,
                expires_at=said.now + _USEFUL,
                client_id=said.client_id,
                credential_id=heard.credential_id,
                drill=heard.drill,
            ),
        )


def _speaker(people: dict[UUID, Any], told: Sequence[Told]) -> Any | None:
    """Whose telephone it is. Where several share it, parents mostly: the one whose appointment
    waits for an answer, the nearest first."""
    if len(people) == 1:
        return next(iter(people.values()))
    return next((people[each.client_id] for each in told if each.awaits), None)


def _about(told: Sequence[Told], answer: Answer) -> Told | None:
    """Which appointment an answer is about; None if a person must ask."""
    awaiting = [each for each in told if each.awaits]
    if awaiting:
        return awaiting[0] if len(awaiting) == 1 else None
    asked = [each for each in told if each.asked]
    if asked:
        return max(asked, key=lambda each: each.told_at)
    return told[0] if len(told) == 1 or (told and answer == "confirm") else None
