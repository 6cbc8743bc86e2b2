"""What a relay's refusal says to people: known sentences, known codes, and nothing else."""

from __future__ import annotations

import pytest

from mentalspace.integrations.email.smtp.wire import reply_evidence

GMAIL = (
    "5.1.1 The email account that you tried to reach does not exist. Please try\n"
    "5.1.1 double-checking the recipient's email address for typos or\n"
    "5.1.1 unnecessary spaces. Learn more at\n"
    "5.1.1 https://support.google.com/mail/?p=NoSuchUser a1-20020a170902.12 - gsmtp"
)


@pytest.mark.parametrize(
    ("code", "reply", "said"),
    [
        (550, GMAIL, "The email account that you tried to reach does not exist. …"),
        (550, "5.4.5 Daily user sending limit exceeded. For more, go to https://x.example - gsmtp",
         "Daily user sending limit exceeded. …"),
        (421, "4.3.0 Temporary System Problem. Try again later. z15si12960527wrv.143 - gsmtp",
         "Temporary System Problem. Try again later."),
        (535, "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the"
              " Tenant. Visit https://aka.ms/smtp_auth_disabled for more [AM6PR07.outlook.com]",
         "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. …"),
        (454, "Throttling failure: Maximum sending rate exceeded",
         "Throttling failure: Maximum sending rate exceeded"),
        (554, "Message rejected: Email address is not verified. The following identities failed"
              " the check in region EU-WEST-1: ana@lakeside.example",
         "Message rejected: Email address is not verified. …"),
        (554, "5.7.1 <ana@lakeside.example>: Relay access denied", "…: Relay access denied"),
        (550, "5.7.26 ana@lakeside.example has no business here",
         "Multiple authentication checks failed"),
        (452, "4.2.2 Ana's mailbox", "Mailbox full"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_is_known_of_it(code: int, reply: str, said: str) -> None:
    """Over several lines, signed or not; whoever it quotes stays out, and unknown words give way to
    their code."""
    evidence = reply_evidence("rcpt", code, reply)
    assert evidence.said == said


@pytest.mark.parametrize(
    "reply",
    [
        "ana@lakeside.example is not welcome",
        "5.0.0 ana@lakeside.example is not welcome",
        "5.7.999 ana@lakeside.example is not welcome",
        "Mailbox full: ana@lakeside.example",
    ],
)
def test_of_unknown_words_nothing_is_said(reply: str) -> None:
    """Neither where there is no code, nor where it says nothing."""
    assert reply_evidence("rcpt", 550, reply).said is None


def test_nobody_is_named_by_what_is_said() -> None:
    """Every sentence, told of somebody, comes without their address."""
    for told in ("Relay access denied", "Sender address rejected: not owned by user x@y.example"):
        said = reply_evidence("rcpt", 554, f"5.7.1 <ana@lakeside.example>: {told}").said
        assert said is not None
        assert "@" not in said
