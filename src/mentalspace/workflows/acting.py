"""What a runbook's step, a provider's word and a client's answer set going, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from mentalspace.engine.events import Reactor
from mentalspace.engine.inbox import Hear
from mentalspace.engine.runbook import Runbooks
from mentalspace.engine.secrets import Vault
from mentalspace.engine.signing import Signer
from mentalspace.engine.steps import ENGINE_ACTIONS
from mentalspace.engine.suppression import SUPPRESSING
from mentalspace.kernel.settings import Settings
from mentalspace.practice.task import open_task
from mentalspace.workflows.appointment_links import LinkDesk
from mentalspace.workflows.appointment_mails import MailDesk
from mentalspace.workflows.conversation import ACTOR, Conversation
from mentalspace.workflows.fall_back import fall_back_with
from mentalspace.workflows.landline import mark_landline_with
from mentalspace.workflows.mail_sender import sender_for
from mentalspace.workflows.wording import name_wording_with


@dataclass(frozen=True, slots=True)
class Acting:
    """`signer` signs the links of the mails that are written."""

    settings: Settings
    vault: Vault
    signer: Signer

    def actions(self) -> Mapping[str, Any]:
        """What a runbook's steps may do, by name."""
        host = urlsplit(self.settings.site_url).hostname or ""
        return {
            **ENGINE_ACTIONS,
            **SUPPRESSING,
            "open_task": open_task,
            "fall_back": fall_back_with(self._mail_desk("runbook")),
            "mark_landline": mark_landline_with(self.vault),
            "name_wording": name_wording_with(self.vault, host),
        }

    def reactor(self, runbooks: Runbooks) -> Reactor:
        return Reactor(
            lambda room, provider: runbooks.room(room).cases_for(provider), self.actions()
        )

    def conversation(self) -> Hear:
        return Conversation(self.vault, self._mail_desk(ACTOR)).hear

    def _mail_desk(self, actor: str) -> Callable[[datetime], MailDesk]:
        """What writes mails beside a person's request, at whatever instant."""
        links = LinkDesk(self.signer, self.vault, self.settings.site_url)
        sender = sender_for(self.settings)
        return lambda now: MailDesk(self.vault, sender, now, actor, links)
