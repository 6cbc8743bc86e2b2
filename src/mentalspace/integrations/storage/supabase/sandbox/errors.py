"""Supabase Storage's refusals: what its bodies say, and which status they come under.

The status under which a body comes is 400, whatever the body says, except where it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mentalspace.emulator.words import Reply, json_reply

# code: the status that the body tells, its `error`, its `message`
# source: https://supabase.com/docs/guides/storage/debugging/error-codes, and bodies as answered by
# supabase/storage 1.11.2
ERRORS: Mapping[str, tuple[int, str, str]] = MappingProxyType({
    "NoSuchBucket": (404, "Bucket not found", "Bucket not found"),
    "NoSuchKey": (404, "not_found", "Object not found"),
    "KeyAlreadyExists": (409, "Duplicate", "The resource already exists"),
    "BucketAlreadyExists": (409, "Duplicate", "The resource already exists"),
    "ResourceNotEmpty": (409, "ResourceNotEmpty", "The bucket you tried to delete is not empty"),
    "AccessDenied": (403, "Unauthorized", "new row violates row-level security policy"),
    "EntityTooLarge": (413, "Payload too large", "The object exceeded the maximum allowed size"),
    "InvalidMimeType": (415, "invalid_mime_type", "mime type is not supported"),
    "InvalidKey": (400, "InvalidKey", "Invalid key"),
    "InvalidBucketName": (400, "Invalid Input", "Bucket name invalid"),
    "InvalidRequest": (400, "InvalidRequest", "The request is not properly formed"),
    "InvalidJWT": (400, "InvalidJWT", "Invalid JWT"),
    "InvalidSignature": (400, "InvalidSignature", "Invalid signature"),
    "InvalidRange": (416, "invalid_range", "invalid range provided"),
    "InternalError": (500, "InternalError", "Internal server error"),
    "DatabaseError": (500, "DatabaseError", "An error occurred while accessing the database"),
    "DatabaseTimeout": (544, "DatabaseTimeout", "The connection to the database timed out"),
    "SlowDown": (429, "too_many_connections", "Too many connections issued to the database"),
    "LockTimeout": (503, "acquiring_lock_timeout", "acquiring lock timeout"),
    "MissingAuthorization": (400, "Error", "headers must have required property 'authorization'"),
})  # fmt: skip

# Those that come under their own status; every other body comes under 400.
_AS_THEY_ARE = frozenset({416, 429, 500, 544})

# What is said where no Storage server answers: the gateway before it, or the platform.
# source: https://supabase.com/docs/guides/platform/http-status-codes
GATEWAY: Mapping[int, Mapping[str, str]] = MappingProxyType({
    401: {"message": "Invalid API key", "hint": "Double check your API key."},
    402: {"message": "Service for this project is restricted due to the following violations: "
                     "exceed_egress_quota."},
    502: {"message": "An invalid response was received from the upstream server"},
    503: {"message": "name resolution failed"},
    504: {"message": "The upstream server is timing out"},
    520: {"message": "Web server returned an unknown error"},
    540: {"message": "Project paused"},
})  # fmt: skip


# What the framework calls a route that there is not.
NO_ROUTE = "Not Found"


class Problem(Exception):
    """The refusal of one request, by its code. Without a message: the code's usual one."""

    def __init__(self, code: str, message: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status, self.error, usual = ERRORS[code]
        self.message = message or usual


class GatewayProblem(Exception):
    """Refused before it reached Storage."""

    def __init__(self, http: int) -> None:
        super().__init__(str(http))
        self.http = http


def error_reply(problem: Problem, *, true_status: bool = False) -> Reply:
    """The body of a refusal. `true_status` is not how Supabase answers, but how one may wish."""
    body = {
        "statusCode": str(problem.status),
        "error": problem.error,
        "message": problem.message,
        "code": problem.code,
    }
    if problem.code == "MissingAuthorization":
        del body["code"]  # it is the framework's, not Storage's own
    as_it_is = true_status or problem.status in _AS_THEY_ARE
    return json_reply(problem.status if as_it_is else 400, body)


def gateway_reply(http: int) -> Reply:
    return json_reply(http, GATEWAY[http])


def not_found(method: str, path: str) -> Reply:
    """A route that there is not: the framework's own answer, under its own status."""
    body = {
        "message": f"Route {method}:{path} not found",
        "error": NO_ROUTE,
        "statusCode": 404,
    }
    return json_reply(404, body)


def injected(http: int, name: str | None, message: str | None) -> Reply:
    """An error asked for: by its code, by what it calls itself, or by a status alone."""
    if 300 <= http < 400:
        return Reply(http, b"", {"location": name or "https://supabase.com/"})
    if name == NO_ROUTE:
        return not_found("POST", "/storage/v1/object")
    if name is None and http in GATEWAY:
        return gateway_reply(http)
    for code, (status, error, _message) in ERRORS.items():
        if name in (code, error) or (name is None and status == http):
            return error_reply(Problem(code, message))
    if name is not None and http < 500:
        return json_reply(
            400, {"statusCode": str(http), "error": name, "message": message or name, "code": name}
        )
    return error_reply(Problem("InternalError", message))
