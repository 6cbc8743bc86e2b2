"""Resend's refusals: their names, the statuses they come with, and its error body."""

from __future__ import annotations

from collections.abc import Mapping

from mentalspace.emulator.words import Reply, json_reply

# source: https://resend.com/docs/api-reference/errors (read 2026-11-23). A name may come with
# several statuses; the first is its usual one. `invalid_api_key` stood there until mid-2026, and
# the last four are in Resend's own clients only.
ERRORS: Mapping[tuple[int, str], str] = {
    (400, "validation_error"): "An error was found with one or more fields in the request.",
    (400, "invalid_idempotency_key"): (
        "Idempotency keys, if present, must have between 1 and 256 characters."
    ),
    (401, "missing_api_key"): "Missing API key in the authorization header.",
    (401, "restricted_api_key"): "This API key is restricted to only send emails.",
    (403, "invalid_api_key"): "API key is invalid.",
    (403, "restricted_api_key"): "API key is not active",
    (403, "suspended_api_key"): "This API key is suspended",
    (403, "invalid_permission"): "Access token is missing required scopes.",
    (403, "validation_error"): (
        "The domain is not verified. Please, add and verify your domain on "
        "https://resend.com/domains"
    ),
    (404, "not_found"): "The requested endpoint does not exist.",
    (405, "method_not_allowed"): "Method is not allowed for the requested path.",
    (409, "concurrent_idempotent_requests"): (
        "There is another request in progress with the same idempotency key."
    ),
    (409, "invalid_idempotent_request"): (
        "This idempotency key has been used on a request with a different payload."
    ),
    (409, "resource_locked"): "Another request is already updating this resource.",
    (422, "validation_error"): "An error was found with one or more fields in the request.",
    (422, "missing_required_field"): "The request body is missing one or more required fields.",
    (422, "missing_required_parameter"): "The request is missing one or more required parameters.",
    (422, "invalid_parameter"): "The parameter must be a valid UUID.",
    (422, "invalid_attachment"): "Attachment must have either a `content` or `path`.",
    (429, "rate_limit_exceeded"): (
        "Too many requests. You can only make {limit} requests per second."
    ),
    (429, "daily_quota_exceeded"): "You have exceeded your daily email sending quota.",
    (429, "monthly_quota_exceeded"): "You have exceeded your monthly email sending quota.",
    (500, "application_error"): "An unexpected error occurred.",
    (503, "service_unavailable"): "API is temporarily unavailable",
    (422, "invalid_from_address"): "Invalid `from` field.",
    (422, "invalid_access"): 'Access must be "full_access" | "sending_access".',
    (422, "invalid_region"): (
        'Region must be "us-east-1" | "eu-west-1" | "sa-east-1" | "ap-northeast-1".'
    ),
    (500, "internal_server_error"): "An unexpected error occurred.",
}


class Problem(Exception):
    """Resend's refusal of one request. Without a message: the usual one of that name."""

    def __init__(self, http: int, name: str, message: str | None = None) -> None:
        super().__init__(name)
        self.http = http
        self.name = name
        self.message = message or _message(http, name)


def invalid(message: str) -> Problem:
    """What most mistakes get."""
    return Problem(422, "validation_error", message)


def missing(field: str) -> Problem:
    return Problem(422, "missing_required_field", f"Missing `{field}` field.")


def not_found(thing: str) -> Problem:
    return Problem(404, "not_found", f"{thing} not found")


def injected(http: int, name: str | None, message: str | None) -> Problem:
    """An error asked for: by its name, or by a status alone.

    A known name brings its own status where 503, the control API's default, is none of its own.
    """
    if name is None:
        usual = next((known for status, known in ERRORS if status == http), "application_error")
        # A 403 without a name is meant for the key: that is how a revoked one looks.
        return Problem(http, "invalid_api_key" if http == 403 else usual, message)
    statuses = [status for status, known in ERRORS if known == name]
    if http == 503 and statuses and 503 not in statuses:
        http = statuses[0]
    return Problem(http, name, message)


def error_reply(problem: Problem, headers: Mapping[str, str]) -> Reply:
    body = {"statusCode": problem.http, "message": problem.message, "name": problem.name}
    return json_reply(problem.http, body, headers)


def _message(http: int, name: str) -> str:
    of_name = [text for (_status, known), text in ERRORS.items() if known == name]
    return ERRORS.get((http, name)) or (of_name or ["An unexpected error occurred."])[0]
