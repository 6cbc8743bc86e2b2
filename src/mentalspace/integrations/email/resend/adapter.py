"""Sends mails through Resend's HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import TypeVar

from mentalspace.engine.outbound import retry_after_s
from mentalspace.integrations.email.domain.expected import SendingDomain
from mentalspace.integrations.email.model import Mail
from mentalspace.integrations.email.resend.wire import (
    IDEMPOTENCY_WINDOW,
    batch_body,
    batch_results,
    domain_id,
    domain_of,
    email_body,
    error_of,
    last_event,
    message_id,
    request_id,
    unknown_domain,
    usual_domain,
)
from mentalspace.kernel.delivery import Receipt
from mentalspace.kernel.errors import Evidence, ProviderError
from mentalspace.kernel.event import Event
from mentalspace.kernel.integration import Answer, Credential, Http
from mentalspace.kernel.rate import rate_left

T = TypeVar("T")


class ResendAdapter:
    def __init__(self, http: Http, credential: Credential) -> None:
        self._http = http
        self._base_url = credential.base_url.rstrip("/")
        self._headers = {
            "Authorization": f"Bearer {credential.secrets['api_key']}",
            "Content-Type": "application/json",
        }

    async def send(self, payload: bytes, *, idempotency_key: str) -> Receipt:
        """POST /emails. Within Resend's key window a repeat gives the first one's receipt."""
        answer = await self._http.request(
            "POST",
            f"{self._base_url}/emails",
            headers={**self._headers, "Idempotency-Key": idempotency_key},
            body=email_body(Mail.from_bytes(payload)),
        )
        if answer.http not in (200, 201):
            raise error_of(answer, retry_after_s(answer.headers))
        return _receipt(answer)

    async def reconcile(
        self,
        payload: bytes,
        *,
        idempotency_key: str,
        first_attempt_age: timedelta,
        last_send_age: timedelta,  # noqa: ARG002
        taken: Collection[str],  # noqa: ARG002
    ) -> Receipt | None:
        """Ask by the key itself: a repeat within its window cannot send a second mail.

        Afterwards Resend has forgotten the key and nothing looks a mail up by it.
        """
        if first_attempt_age >= IDEMPOTENCY_WINDOW:
            raise ProviderError(Evidence("refused_locally", code="idempotency_window_passed"))
        return await self.send(payload, idempotency_key=idempotency_key)

    async def send_batch(
        self, payloads: Sequence[bytes], *, idempotency_key: str
    ) -> Sequence[Receipt | Evidence]:
        """POST /emails/batch, permissive: one bad address does not stop the other mails."""
        answer = await self._http.request(
            "POST",
            f"{self._base_url}/emails/batch",
            headers={
                **self._headers,
                "Idempotency-Key": idempotency_key,
                "x-batch-validation": "permissive",
            },
            body=batch_body(Mail.from_bytes(payload) for payload in payloads),
        )
        if answer.http not in (200, 201):
            raise error_of(answer, retry_after_s(answer.headers))
        try:
            return batch_results(answer, len(payloads))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _unreadable(answer) from error

    async def look_up(self, provider_message_id: str) -> Event | None:
        """GET /emails/{id}: its last event, under the webhooks' names."""
        answer = await self._http.request(
            "GET", f"{self._base_url}/emails/{provider_message_id}", headers=self._headers
        )
        if answer.http != 200:
            raise error_of(answer, retry_after_s(answer.headers))
        return last_event(answer)

    async def check(self) -> str:
        """GET /domains: the credential and the service, without sending.

        A key that may only send is answered 401 `restricted_api_key`; it is a good key.
        """
        answer = await self._http.request("GET", f"{self._base_url}/domains", headers=self._headers)
        if answer.http == 200:
            return "key accepted"
        error = error_of(answer, retry_after_s(answer.headers))
        if answer.http == 401 and error.evidence.code == "restricted_api_key":
            return "key accepted; it may only send"
        raise error

    async def sending_domain(self, name: str) -> SendingDomain:
        """GET /domains, then GET /domains/{id}: only the single domain shows its records."""
        answer = await self._get("/domains")
        if answer.http == 401:
            error = error_of(answer, None)
            if error.evidence.code == "restricted_api_key":
                return usual_domain(name)
            raise error
        found = _read(answer, lambda listed: domain_id(listed, name))
        if found is None:
            return unknown_domain(name)
        return _read(await self._get(f"/domains/{found}"), domain_of)

    def usual_domain(self, name: str) -> SendingDomain:
        return usual_domain(name)

    async def _get(self, path: str) -> Answer:
        return await self._http.request("GET", f"{self._base_url}{path}", headers=self._headers)


def _read(answer: Answer, read: Callable[[Answer], T]) -> T:
    """A success, read. Raises ProviderError for anything else."""
    if answer.http != 200:
        raise error_of(answer, retry_after_s(answer.headers))
    try:
        return read(answer)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProviderError(Evidence("malformed", http=answer.http)) from error


def _receipt(answer: Answer) -> Receipt:
    try:
        return Receipt(message_id(answer), request_id(answer), rate=rate_left(answer.headers))
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(answer) from error


def _unreadable(answer: Answer) -> ProviderError:
    """A success that cannot be read was probably processed."""
    rate = rate_left(answer.headers)
    return ProviderError(
        Evidence("malformed", http=answer.http, request_id=request_id(answer), rate=rate)
    )
