"""What may be broken in an exercise, and what is true of it then."""

from __future__ import annotations

from collections.abc import Sequence

from tests.exercise import ours, theirs
from tests.exercise.fault import Fault, Truth

# The practices of the exercise; the first is the default one, whose endpoints are named so.
LAKESIDE, MESA, HARBOR = "lakeside", "mesa", "harbor"

_ONE_LATE_CALLBACK_S = 420.0

# The relays are reached otherwise.
_BY_HTTPS = (("email", "resend"), ("sms", "twilio"), ("storage", "supabase"))

FAULTS: Sequence[Fault] = (
    # Theirs --------------------------------------------------------------------------------------
    Fault(
        "key_suspended",
        "theirs",
        Truth(
            "Resend has suspended the key of Harbor Street Therapy",
            "Mails of that practice alone: its relay takes them over after a minute",
            "Ask Resend why, and enter a new key; send nothing again by hand",
        ),
        "the key is active again, and entered once more",
        theirs.entered_after(
            "email", HARBOR, theirs.account("email", HARBOR, options={"key_status": "suspended"})
        ),
    ),
    Fault(
        "token_revoked",
        "theirs",
        Truth(
            "Twilio no longer takes the token of Mesa Family Practice",
            "Texts of that practice alone; they wait",
            "Have the practice's new token entered; the lane goes on by itself",
        ),
        "the token is taken again, and entered once more",
        theirs.revoked("sms", MESA),
    ),
    Fault(
        "half_malformed",
        "theirs",
        Truth(
            "Resend finds every second mail of Mesa Family Practice malformed: its `reply_to`",
            "About half of that practice's mails, which are refused for good or held",
            "Read Resend's sentence and mend what is sent; until then hold that practice's mails",
        ),
        "Resend takes them all again",
        theirs.fault(
            "email",
            "resend",
            at=MESA,
            kind="status",
            http=422,
            name="validation_error",
            message="Invalid `reply_to` field. The email address needs to follow the "
            "`email@example.com` or `Name <email@example.com>` format.",
            method="POST",
            path="/emails",
            share=0.5,
        ),
    ),
    Fault(
        "slow_mails",
        "theirs",
        Truth(
            "Resend takes nine seconds to answer",
            "Mails of every practice leave late, and all arrive",
            "Wait and watch; nothing is to be sent again or paused",
        ),
        "Resend answers at once again",
        theirs.fault("email", "resend", kind="latency", latency_s=9.0),
    ),
    Fault(
        "taken_and_500",
        "theirs",
        Truth(
            "Resend takes six mails in ten and then answers 500",
            "Mails of every practice: they arrive, and we do not know it",
            "Wait: each is asked for under its key. Send nothing again by hand",
        ),
        "Resend answers what it did again",
        theirs.fault(
            "email", "resend", kind="status", http=500, when="after", method="POST", share=0.6
        ),
    ),
    Fault(
        "mail_has_no_way",
        "several",
        Truth(
            "Resend answers 503, and the relay that takes over breaks each connection off",
            "Mails of every practice wait; texts and documents go",
            "Wait for Resend, and have whoever keeps the relay look at it; nothing is lost",
        ),
        "both take mails again",
        theirs.together(
            theirs.fault("email", "resend", kind="status", http=503),
            theirs.fault("email", "smtp", kind="reset"),
        ),
        call_after_s=90.0,
    ),
    Fault(
        "quota_of_one",
        "theirs",
        Truth(
            "Lakeside Counseling has used up its daily quota at Resend",
            "Mails of that practice alone: its relay takes them over, or they wait for tomorrow",
            "Have its plan raised at Resend; nothing else helps before the day is over",
        ),
        "the quota is lifted",
        theirs.entered_after(
            "email", LAKESIDE, theirs.account("email", LAKESIDE, options={"quota_daily": 1})
        ),
    ),
    Fault(
        "rate_used_up",
        "several",
        Truth(
            "Another program uses up what Harbor Street Therapy may ask of Resend each second",
            "Mails of that practice are late; its relay may take them over",
            "Find the program that has this practice's key, and stop it; nothing is lost",
        ),
        "the other program is gone",
        theirs.consumed("email", HARBOR, 10),
    ),
    Fault(
        "callbacks_late",
        "theirs",
        Truth(
            "Twilio's callbacks come seven minutes late",
            "Nobody: texts arrive, and we hear of it late, at every practice",
            "Wait; send no text again",
        ),
        "callbacks come at once again",
        theirs.fault("sms", "twilio", kind="hook_delay", latency_s=_ONE_LATE_CALLBACK_S),
        call_after_s=240.0,
    ),
    Fault(
        "callbacks_elsewhere",
        "several",
        Truth(
            "At Resend somebody changed where Mesa Family Practice's callbacks go",
            "Nobody yet: its mails arrive, and we hear nothing of them, nor of bounces",
            "Enter our address at Resend again; send no mail again",
        ),
        "the address is ours again",
        theirs.callbacks_to("email", MESA, "/v1/hooks/email/mesa-old"),
        call_after_s=180.0,
    ),
    Fault(
        "callbacks_otherwise_signed",
        "several",
        Truth(
            "Resend signs Lakeside Counseling's callbacks with another secret than we have",
            "Nobody yet: its mails arrive, and we take none of what is told of them",
            "Enter the practice's signing secret of today; Resend tells the rest again",
        ),
        "Resend signs with the secret we have",
        theirs.account(
            "email", LAKESIDE, webhook_secret="whsec_c29tZWJvZHktcm90YXRlZC10aGlzLXNlY3JldA=="
        ),
    ),
    Fault(
        "texts_unregistered",
        "theirs",
        Truth(
            "The texting campaign of Lakeside Counseling is no longer registered at Twilio",
            "Texts of that practice alone: carriers bring none of them",
            "Register the campaign at Twilio again; reach people by mail meanwhile",
        ),
        "the campaign is registered again, and the credential entered once more",
        theirs.entered_after(
            "sms", LAKESIDE, theirs.fault("sms", "twilio", at=LAKESIDE, kind="fate", name="30034")
        ),
    ),
    Fault(
        "carriers_filter",
        "theirs",
        Truth(
            "Carriers hold back eight in ten texts of Mesa Family Practice as spam",
            "Those texts of that practice alone never arrive; Twilio had taken them",
            "Have the wording and the campaign looked at; pause that practice's texts till then",
        ),
        "carriers bring them again",
        theirs.fault("sms", "twilio", at=MESA, kind="fate", name="30007", share=0.8),
    ),
    Fault(
        "store_fails",
        "theirs",
        Truth(
            "Seven of ten answers of Supabase Storage are 503",
            "Copies of documents wait, at every practice; the documents themselves are here",
            "Wait: they are tried again. Nobody needs to upload anything again",
        ),
        "the store answers again",
        theirs.fault("storage", "supabase", kind="status", http=503, share=0.7),
    ),
    Fault(
        "store_breaks_off",
        "theirs",
        Truth(
            "Supabase Storage breaks every connection off",
            "Copies of documents wait, at every practice; the documents themselves are here",
            "Wait: they are tried again. Nobody needs to upload anything again",
        ),
        "the store keeps connections again",
        theirs.fault("storage", "supabase", kind="reset"),
    ),
    Fault(
        "store_keeps_nothing",
        "theirs",
        Truth(
            "Supabase Storage says of every document that it took it, and keeps nothing",
            "Copies of every practice's new documents are missing; the documents are here",
            "Trust no copy made since: keep what is here, and have Supabase explain itself",
        ),
        "the store keeps what it takes again",
        theirs.fault("storage", "supabase", kind="fate", name="lost"),
    ),
    # Ours ----------------------------------------------------------------------------------------
    Fault(
        "worker_killed",
        "ours",
        Truth(
            "The worker is killed every six seconds",
            "Everything of every practice is late; nothing is lost or sent twice",
            "On its host see what kills it, as memory; undo what changed when it began",
        ),
        "nobody kills it any more",
        ours.worker_killed(6.0),
    ),
    Fault(
        "ledger_locked",
        "ours",
        Truth(
            "A program, index-by-hand, holds a lock on the table of deliveries",
            "Nothing is written down, so nothing is booked or leaves, at every practice",
            "Have whoever runs it end it, or end its session; no provider is at fault",
        ),
        "the program ends its transaction",
        ours.locked("delivery", "share", "index-by-hand"),
    ),
    Fault(
        "connections_taken",
        "ours",
        Truth(
            "A program, monthly-report, takes every connection to the database",
            "Nobody yet: what has its connection works on, and whatever needs a new one fails",
            "End that program's sessions; restart nothing of ours, which would come back to none",
        ),
        "the program is gone",
        ours.connections_taken("monthly-report"),
    ),
    Fault(
        "texts_paused",
        "ours",
        Truth(
            "A colleague paused Lakeside Counseling's texts for eight hours",
            "Texts of that practice wait; what is of no use by then is not sent",
            "Ask them, and open the lane if the reason is gone",
        ),
        "the colleague opens the lanes",
        ours.paused("sms", "default", "8h", "moving to the new number, back in the morning"),
        call_after_s=60.0,
    ),
    Fault(
        "left_in_test_mode",
        "ours",
        Truth(
            "A colleague left Mesa Family Practice's mails in test mode",
            "Every mail of that practice is refused here and reaches nobody",
            "Switch test mode off, then send again what still is of use",
        ),
        "test mode is off",
        ours.only_tests("email", MESA),
    ),
    Fault(
        "wrong_address",
        "ours",
        Truth(
            "Somebody entered Harbor Street Therapy's Twilio with an address where nobody answers",
            "Texts of that practice alone wait",
            "Bring the former one back, or enter Twilio's own address again; Twilio is well",
        ),
        "the credential is entered with the right address",
        ours.wrong_address("sms", HARBOR, "http://127.0.0.1:9/sms/twilio"),
    ),
    Fault(
        "no_way_out",
        "ours",
        Truth(
            "No provider answers over HTTPS: our own way out is blocked, as by a proxy",
            "Texts and copies of documents wait, at every practice; mails go by the relays",
            "Look at our network, not at the providers; nothing is to be sent again",
        ),
        "the way out is free again",
        theirs.together(*(theirs.fault(room, name, kind="hang") for room, name in _BY_HTTPS)),
    ),
    # Two at once, that have nothing to do with each other ----------------------------------------
    Fault(
        "two_slow_and_revoked",
        "several",
        Truth(
            "Two things: Resend takes nine seconds to answer; and Twilio no longer takes Harbor"
            " Street Therapy's token",
            "Every practice's mails are late, and arrive; that practice's texts wait",
            "Wait for Resend; have the practice's new token entered",
        ),
        "Resend answers at once; the token is taken again and entered once more",
        theirs.together(
            theirs.fault("email", "resend", kind="latency", latency_s=9.0),
            theirs.revoked("sms", HARBOR),
        ),
        call_after_s=120.0,
    ),
    Fault(
        "two_worker_and_store",
        "several",
        Truth(
            "Two things: the worker is killed every eight seconds; and Supabase Storage answers"
            " 500",
            "Everything is late, at every practice; copies of documents wait",
            "On the worker's host see what kills it; wait for the store",
        ),
        "nobody kills the worker; the store answers again",
        theirs.together(
            theirs.fault("storage", "supabase", kind="status", http=500), ours.worker_killed(8.0)
        ),
        call_after_s=120.0,
    ),
)


def find(wanted: str) -> Fault:
    """By its name, or by its place in the catalogue, counted from 1. Raises LookupError."""
    if wanted.isdigit() and 0 < int(wanted) <= len(FAULTS):
        return FAULTS[int(wanted) - 1]
    for fault in FAULTS:
        if fault.name == wanted:
            return fault
    raise LookupError(f"there is no fault {wanted!r}: {', '.join(one.name for one in FAULTS)}")
