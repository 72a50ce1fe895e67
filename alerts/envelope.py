"""What SNS puts into a queue, and the mail made of it."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

import orjson

from alerts.message import SUBJECT_MAX, ascii_line, clip

DEFAULT_SUBJECT = "Wardwatch notification"


@dataclass(frozen=True)
class Envelope:
    """A message of a topic; `notification_id` is ours, or SNS's own id when something else has published it."""

    notification_id: str
    subject: str
    body: str


def read_envelope(text: str, fallback_id: str) -> Envelope:
    """The message within SNS's JSON; a text that is none of it is mailed as it is, rather than lost."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict) or "Message" not in document:
        return Envelope(fallback_id.replace("-", "")[:32], DEFAULT_SUBJECT, text)
    ours = document.get("MessageAttributes", {}).get("notification_id", {}).get("Value")
    identity = str(ours or document.get("MessageId") or fallback_id)
    subject = clip(ascii_line(document.get("Subject")), SUBJECT_MAX) or DEFAULT_SUBJECT
    return Envelope(identity.replace("-", "")[:32], subject, str(document["Message"]))


def compose(envelope: Envelope, sender: str, recipient: str) -> EmailMessage:
    """The mail; its Message-ID comes from the notification, so that a mail program can tell a repeat."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = envelope.subject
    mail["From"] = sender
    mail["To"] = recipient
    mail["Date"] = formatdate(localtime=False)
    mail["Message-ID"] = f"<{envelope.notification_id}@{sender.rpartition('@')[2]}>"
    mail["X-Wardwatch-Notification"] = envelope.notification_id
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(envelope.body, charset="utf-8")
    return mail
