"""What an entry of the audit says in a person's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mentalspace.console.words import count, plain

DEEDS: Mapping[str, str] = {
    "account_locked":           "Locked out after wrong passwords",
    "agreement_recorded":       "Recorded a vendor agreement",
    "agreement_revoked":        "Revoked a vendor agreement",
    "appointment.booked":       "Booked an appointment",
    "appointment.cancelled":    "Called off an appointment",
    "appointment.confirmed":    "Said that they come",
    "appointment.moved":        "Moved an appointment",
    "appointment.read":         "Read an appointment",
    "appointments.listed":      "Listed appointments",
    "appointments.read":        "Read a day of appointments",
    "audit.exported":           "Took the audit away as a file",
    "audit.read":               "Looked through the audit",
    "client.channels_changed":  "Changed a client’s ways to be reached",
    "client.consent_kept":      "Kept what a client agreed to or refused",
    "client.documents_read":    "Looked through a client’s documents",
    "client.made":              "Made a client",
    "client.reach_changed":     "Changed a client’s address or number",
    "client.part2_marked":      "Marked a client’s documents as Part 2",
    "client.part2_unmarked":    "Ended marking a client’s documents as Part 2",
    "client.removed_documents_read": "Looked through a client’s deleted documents",
    "client.read":              "Read a client’s page",
    "client.reminders_changed": "Changed a client’s reminders",
    "client_shredded":          "Destroyed a client’s key and documents for good",
    "client.told_by_phone":     "Told a client by telephone",
    "clients.listed":           "Listed clients",
    "clients.read":             "Read the list of clients",
    "credential_set":           "Entered a credential’s secret",
    "client_held":              "Put a client’s documents under a legal hold",
    "client_hold_lifted":       "Lifted the legal hold on a client’s documents",
    "code_asked":               "Asked for a log-in code",
    "document_copied":          "Copied a document",
    "document_deleted":         "Deleted a document",
    "document_disclosed":       "Part 2 document given out by a link",
    "document_labelled":        "Marked a document as Part 2",
    "document_link_made":       "Made a link to a document",
    "document_link_refused":    "Came with a link that does not hold",
    "document_link_revoked":    "Ended a link to a document",
    "document_links_listed":    "Looked up the links to a document",
    "document_looked_up":       "Looked up a document",
    "document_moved":           "Moved a document",
    "document_purged":          "Destroyed a removed version when its time was over",
    "document_read":            "Opened a document",
    "document_refused":         "Was refused a document",
    "document_released":        "Released a document that was sealed",
    "document_sealed":          "Sealed a document that was found harmful",
    "document_replaced":        "Replaced a document",
    "document_restored":        "Restored an older version of a document",
    "document_stored":          "Added a document",
    "document_unlabelled":      "Took the Part 2 mark off a document",
    "documents_sealed_listed":  "Looked up which documents are sealed",
    "document_versions_listed": "Looked up the versions of a document",
    "documents_deleted_listed": "Looked up which documents were deleted",
    "documents_listed":         "Listed documents",
    "doctor.read":              "Looked at the doctor’s findings",
    "file_held":                "Put a document under a legal hold",
    "file_hold_lifted":         "Lifted the legal hold on a document",
    "holds_listed":             "Looked up what is under a legal hold",
    "import_row.read":          "Read a row of a calendar",
    "incident.acknowledged":    "Took an incident",
    "incident.archived":        "Archived an incident",
    "incident.automatic":       "Let its breaker judge again, at an incident",
    "former_secret_forgotten":  "Wiped a former secret when its time was over",
    "incident.bring_back":      "Brought a former secret back, at an incident",
    "incident.forget_former":   "Wiped a former secret, at an incident",
    "incident.hold":            "Held what waits, at an incident",
    "incident.pause":           "Paused the lanes, at an incident",
    "incident.replay":          "Sent again what was held, at an incident",
    "incident.resolved":        "Closed an incident",
    "incident.resume":          "Resumed the lanes, at an incident",
    "incident.step_done":       "Did a step of an incident’s checklist",
    "incident.stop_trying":     "Had it stop trying, at an incident",
    "incident.switch":          "Switched the provider, at an incident",
    "incident.test_mode_off":   "Switched test mode off, at an incident",
    "incident.ticket_closed":   "Closed an incident’s ticket",
    "incident.try_anyway":      "Had it try anyway, at an incident",
    "incident.unarchived":      "Took an incident out of the archive",
    "lane.bring_back":          "Brought a credential’s former secret back",
    "lane.forget_former":       "Wiped a credential’s former secret",
    "lane.hold":                "Held what waits in a lane",
    "lane.pause":               "Paused a credential’s lanes",
    "lane.resume":              "Resumed a credential’s lanes",
    "log_in":                   "Logged in",
    "log_in_refused":           "Was refused at log-in",
    "log_out":                  "Logged out",
    "look_up_begun":            "Had numbers looked up before the first text",
    "look_up_ended":            "Ended looking numbers up",
    "mail_text_changed":        "Changed a line of the mails",
    "message.given_up":         "Decided not to send a message",
    "message.marked_sent":      "Found a message at the provider",
    "message.read":             "Read a message’s page",
    "message.released":         "Let a held message go on",
    "message.sent_again":       "Sent a message again",
    "messages.asked_once_more": "Had a provider asked once more about messages",
    "messages.given_up":        "Ended held messages whose time has passed",
    "messages.put_away":        "Saw to messages a provider says nothing of",
    "messages.released":        "Sent again what was held",
    "morning.read":             "Read whom no message reached",
    "on_call.override_called_off": "Called off an override of the on-call schedule",
    "on_call.override_made":    "Gave somebody else an on-call shift",
    "on_call.rotation_ended":   "Ended an on-call rotation",
    "on_call.rotation_set":     "Set an on-call rotation",
    "password_reset":           "Chose a new password",
    "password_reset_asked":     "Asked for a new password",
    "payload.opened":           "Broke the glass: opened what is held",
    "payload.read":             "Read what is held",
    "portal_invited":           "Invited a client to the portal",
    "portal_joined":            "Joined the portal",
    "recovery_code_used":       "Used a recovery code",
    "recovery_codes_renewed":   "Made new recovery codes",
    "reminders.changed":        "Changed the practice’s reminders",
    "second_factor_enrolled":   "Set up a second factor",
    "second_factor_locked":     "Locked out after wrong codes",
    "second_factor_refused":    "Gave a wrong code",
    "second_factor_removed":    "Took away their second factor",
    "second_factor_reset":      "Reset a colleague’s second factor",
    "silence.lifted":           "Lifted a silence of alerts",
    "silence.made":             "Silenced alerts for a while",
    "suppression_lifted":       "Let an address be written to again",
    "suppressions.read":        "Read who is suppressed",
    "tasks.read":               "Read the tasks",
    "test_mode_begun":          "Let only test recipients be reached",
    "test_mode_ended":          "Let everybody be reached again",
    "texts.listed":             "Listed texts",
    "texts.read":               "Read a client’s texts",
    "texts.replied":            "Replied to a text",
    "upload_link_made":         "Made a link to add a document",
}  # fmt: skip

_NOT_SHOWN = ("opening", "role", "what")


def deed(action: str) -> str:
    return DEEDS.get(action, plain(action))


def details(data: Mapping[str, Any]) -> str:
    """The codes beside a deed; a reason and a recipient as they were given."""
    return ", ".join(_detail(name, str(data[name])) for name in data if name not in _NOT_SHOWN)


def _detail(name: str, value: str) -> str:
    if name == "reason":
        return value
    return f"{plain(name).lower()}: {value if name == 'recipient' else plain(value).lower()}"


def found(number: int, more: bool) -> str:
    return f"{count(number, 'entry', 'entries')}{', and there are older ones' if more else ''}"
