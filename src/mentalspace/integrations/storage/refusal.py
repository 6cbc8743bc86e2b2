"""How Supabase Storage says no: one row for each of its errors.

Older clients read the status from the body, because the HTTP status of nearly all of them is 400.
"""

from __future__ import annotations

from dataclasses import dataclass

from mentalspace.kernel.errors import MentalSpaceError


@dataclass(frozen=True, slots=True)
class Refusal:
    """`said` is the status in the body, which is Supabase's; `true` what HTTP would call it."""

    code: str
    error: str
    said: int
    true: int
    message: str


class Refused(MentalSpaceError):
    """The request is not done. The message quotes nothing that was sent."""

    def __init__(self, refusal: Refusal, message: str | None = None) -> None:
        super().__init__(message or refusal.message)
        self.refusal = refusal


# source: https://supabase.com/docs/guides/storage/debugging/error-codes
NO_AUTHORIZATION = Refusal(
    "MissingParameter", "Error", 400, 401, "headers must have required property 'authorization'"
)
TOKEN_MALFORMED = Refusal("InvalidJWT", "Unauthorized", 403, 401, "Invalid Compact JWS")
TOKEN_UNSIGNED = Refusal("InvalidJWT", "Unauthorized", 403, 401, "signature verification failed")
TOKEN_EXPIRED = Refusal(
    "InvalidJWT", "Unauthorized", 403, 401, '"exp" claim timestamp check failed'
)
# Of a page of the console; Supabase knows none.
SESSION_ENDED = Refusal("InvalidJWT", "Unauthorized", 403, 401, "The session has ended; log in")
NOT_OF_SESSION = Refusal(
    "InvalidJWT", "Unauthorized", 403, 403, "The page is not of this session; open it again"
)
LINK_BROKEN = Refusal("InvalidJWT", "InvalidJWT", 400, 400, "signature verification failed")
LINK_EXPIRED = Refusal("InvalidJWT", "InvalidJWT", 400, 400, '"exp" claim timestamp check failed')
# A link for something else: another file, or the other way.
LINK_UNFIT = Refusal("InvalidSignature", "InvalidSignature", 400, 400, "Invalid signature")
# Supabase's links cannot be ended, and are for everybody: it has no words for these.
LINK_ENDED = Refusal(
    "LinkEnded", "LinkEnded", 410, 410, "The link was ended, or was for one use and has had it"
)
LINK_FOR_OTHERS = Refusal(
    "LinkForOthers",
    "LinkForOthers",
    403,
    403,
    "The link is for somebody else: sign in, or send a token, as whom it was made for",
)
NO_LINK = Refusal("NoSuchLink", "not_found", 404, 404, "There is no such link of yours")
NOT_ALLOWED = Refusal(
    "AccessDenied", "Unauthorized", 403, 403, "new row violates row-level security policy"
)
NO_OBJECT = Refusal("NoSuchKey", "not_found", 404, 404, "Object not found")
NO_BUCKET = Refusal("NoSuchBucket", "Bucket not found", 404, 404, "Bucket not found")
NO_ROUTE = Refusal("InvalidRequest", "not_found", 404, 404, "Route not found")
OBJECT_EXISTS = Refusal("KeyAlreadyExists", "Duplicate", 409, 409, "The resource already exists")
BUCKET_EXISTS = Refusal("BucketAlreadyExists", "Duplicate", 409, 409, "The resource already exists")
BUCKET_NOT_EMPTY = Refusal(
    "ResourceNotEmpty",
    "ResourceNotEmpty",
    409,
    409,
    "The bucket you tried to delete is not empty",
)
TOO_LARGE = Refusal(
    "EntityTooLarge",
    "Payload too large",
    413,
    413,
    "The object exceeded the maximum allowed size",
)
WRONG_TYPE = Refusal("InvalidMimeType", "invalid_mime_type", 415, 415, "mime type is not supported")
BAD_KEY = Refusal(
    "InvalidKey",
    "InvalidKey",
    400,
    400,
    "Invalid key: use Latin letters, digits and !-_.*'() &$=@;:+,? in steps parted by single"
    " slashes; keep the name that people read in the file's metadata",
)
BAD_BUCKET_NAME = Refusal("InvalidBucketName", "Invalid Input", 400, 400, "Bucket name invalid")
BAD_REQUEST = Refusal("InvalidRequest", "invalid_request", 400, 400, "The request is not valid")
NO_SUCH_RANGE = Refusal(
    "InvalidRange", "invalid_range", 416, 416, "The requested range is not satisfiable"
)
# What lands is read by nobody before it was looked at; Supabase has no words for these.
BEING_CHECKED = Refusal(
    "BeingChecked", "BeingChecked", 423, 423, "The file is being checked; try again in a moment"
)
SEALED = Refusal(
    "Sealed",
    "Sealed",
    403,
    403,
    "The file was found to be harmful and is sealed; the front desk knows of it",
)
HARMFUL = Refusal(
    "Harmful",
    "Harmful",
    422,
    422,
    "The file was found to be harmful: nothing was replaced, and it is sealed for the practice",
)
# Of what somebody has to keep, and of what is destroyed for good; nor for these.
HELD = Refusal(
    "LegalHold", "LegalHold", 409, 409,
    "It is under a legal hold, and nothing of it is destroyed until that is lifted",
)  # fmt: skip
NO_HOLD = Refusal("NoSuchHold", "not_found", 404, 404, "There is no such hold in force")
NO_CLIENT = Refusal("NoSuchClient", "not_found", 404, 404, "There is no such client")
NOT_STORED = Refusal(
    "InternalError", "internal", 500, 500, "The file could not be kept or read; try again"
)
# Of uploads that may be broken off and gone on with; those say it in plain text, as they are.
NO_UPLOAD = Refusal("NoSuchUpload", "not_found", 404, 404, "The file for this url was not found")
UPLOAD_GONE = Refusal("NoSuchUpload", "gone", 410, 410, "The file for this url no longer exists")
WRONG_OFFSET = Refusal("Conflict", "conflict", 409, 409, "Upload-Offset conflict")
UPLOAD_LOCKED = Refusal(
    "ResourceLocked", "locked", 423, 423, "The upload is being written by another request"
)
UPLOAD_STALLED = Refusal(
    "RequestTimeout", "timeout", 408, 408, "Nothing more came; ask for the offset and go on"
)
UPLOAD_WHOLE = Refusal(
    "InvalidRequest", "invalid_request", 400, 400, "Cannot terminate an already completed upload"
)
BEYOND_LENGTH = Refusal(
    "EntityTooLarge", "Payload too large", 413, 413, "upload's size exceeded: more than its length"
)
NOT_OFFSET_STREAM = Refusal(
    "InvalidContentType", "invalid_content_type", 415, 415,
    "Content-Type: send application/offset+octet-stream",
)  # fmt: skip
NOT_THIS_TUS = Refusal(
    "PreconditionFailed", "precondition_failed", 412, 412, "Tus-Resumable Required: send 1.0.0"
)
TOO_MANY_UPLOADS = Refusal(
    "TooManyRequests", "too_many_uploads", 429, 429,
    "Too many uploads are unfinished: finish or terminate some first",
)  # fmt: skip
DATABASE_SLOW = Refusal(
    "DatabaseTimeout", "database_timeout", 544, 503, "The database timed out; try again"
)
DATABASE_AWAY = Refusal(
    "InternalError", "internal", 500, 503, "The database is away; try again in a moment"
)

# Those whose HTTP status is their own even where all others say 400.
PLAIN = frozenset({416, 429, 500, 544})
