"""Bearer tokens of programs, which are settings: who watches, and who tells of alerts."""

from __future__ import annotations

import hmac

from starlette.requests import Request

from mentalspace.api.problem import Problem


def require_bearer(request: Request, token: str, setting: str) -> None:
    """Raises Problem unless the request carries `token`, which `setting` names."""
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise Problem(
            401,
            "not_signed_in",
            f"send {setting} as a bearer token",
            headers={"www-authenticate": "Bearer"},
        )
