"""Twilio's refusals: their codes, the statuses they come with, and its error body."""

from __future__ import annotations

from collections.abc import Mapping

from mentalspace.emulator.words import Reply, json_reply

# source: https://www.twilio.com/docs/api/errors, and bodies in public repositories; the words
# in braces are filled in where the code is raised
ERRORS: Mapping[int, tuple[int, str]] = {
    20001: (400, "Invalid parameter"),
    20003: (401, "Authenticate"),
    20004: (405, "Method not allowed"),
    20008: (403, "Resource not accessible with Test Account Credentials"),
    20009: (409, "Cannot delete this resource before it is complete"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "Internal Server Error"),
    20503: (503, "Service Unavailable"),
    20005: (403, "Account not active"),
    21211: (400, "Invalid 'To' Phone Number"),
    21212: (400, "Invalid 'From' Phone Number"),
    21408: (400, "Permission to send an SMS has not been enabled for the region indicated by the "
                 "'To' number"),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The 'From' phone number provided is not a valid message-capable Twilio phone "
                 "number for this destination/account"),
    21608: (400, "The number is unverified. Trial accounts cannot send messages to unverified "
                 "numbers"),
    21609: (400, "The 'StatusCallback' URL is not a valid URL."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (429, "This 'From' number has exceeded the maximum number of queued messages"),
    21612: (400, "Message cannot be sent with the current combination of 'To' and/or 'From' "
                 "parameters"),
    21614: (400, "'To' number is not a valid mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21620: (400, "Invalid media URL(s)"),
    21623: (400, "Number of media files exceeds allowed limit"),
    21701: (404, "The Messaging Service does not exist"),
    21703: (400, "The Messaging Service contains no phone numbers"),
    30409: (409, "This message cannot be canceled"),
    63038: (429, "Account exceeded the daily messages limit"),
    35111: (400, "'SendAt' timestamp is missing"),
    35114: (400, "Scheduling does not support this timestamp"),
    35115: (400, "'ScheduleType' value is invalid"),
    35118: (400, "MessagingServiceSid is required to schedule a message"),
}  # fmt: skip

# What comes by callback or when the message is fetched, and in no answer to a send. Other codes
# from 30000 to 30999 come so too.
# source: https://www.twilio.com/docs/api/errors, each code's page
LATER: Mapping[int, str] = {
    30001: "Queue overflow",
    30002: "Account suspended",
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30008: "Unknown error",
    30017: "Carrier network congestion",
    30022: "US A2P 10DLC - Rate Limits Exceeded",
    30023: "US A2P 10DLC - Daily Message Cap Reached",
    30032: "Toll-Free Number Has Not Been Verified",
    30034: "US A2P 10DLC - Message from an Unregistered Number",
    30036: "Validity Period Expired",
    30450: "Message delivery blocked (SMS pumping protection)",
}


def comes_later(code: int) -> bool:
    return 30000 <= code < 31000


class Problem(Exception):
    """Twilio's refusal of one request. Without a message: the code's usual one."""

    def __init__(self, code: int, message: str | None = None, http: int | None = None) -> None:
        super().__init__(str(code))
        usual = ERRORS.get(code, (400, "Bad Request"))
        self.code = code
        self.http = http or usual[0]
        self.message = message or usual[1]


def injected(http: int, name: str | None, message: str | None) -> Problem:
    """An error asked for: by its code, or by a status alone.

    A known code brings its own status where 503, the control API's default, is none of its own.
    """
    if name is not None and name.isdigit():
        return Problem(int(name), message, None if http == 503 else http)
    # A 403 without a name is meant for the credential: that is how a revoked one looks.
    status = 401 if http == 403 else http
    fitting = {401: 20003, 404: 20404, 429: 20429, 500: 20500, 503: 20503}
    return Problem(fitting.get(status, 20500), message, status)


# source: https://www.twilio.com/docs/usage/twilios-response
def error_reply(problem: Problem) -> Reply:
    body = {
        "code": problem.code,
        "message": problem.message,
        "more_info": f"https://www.twilio.com/docs/errors/{problem.code}",
        "status": problem.http,
    }
    headers = {"www-authenticate": 'Basic realm="Twilio API"'} if problem.http == 401 else {}
    return json_reply(problem.http, body, headers)
