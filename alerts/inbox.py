"""The embedded inbox: reads what the mailer has delivered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import requests

from infra.errors import UnavailableError, WardError
from infra.settings import Settings

TIMEOUT = 10


@dataclass(frozen=True)
class ReceivedMail:
    """A mail of the inbox; `mail_id` is the inbox's own, `notification_id` ours (empty for a mail that is not)."""

    mail_id: str
    subject: str
    recipients: tuple[str, ...]
    received_at: datetime
    text: str
    notification_id: str


def inbox_url(settings: Settings) -> str:
    """The inbox's page."""
    return f"http://127.0.0.1:{settings.ports.inbox}"


def received_mails(settings: Settings) -> list[ReceivedMail]:
    """Every mail of the inbox, newest first. Raises UnavailableError."""
    mails = [_mail(document) for document in _get(settings, "/email").json()]
    mails.sort(key=lambda mail: mail.received_at)
    return mails[::-1]


def received_mail(settings: Settings, mail_id: str) -> ReceivedMail:
    """One mail. Raises WardError when the inbox has none of that id, UnavailableError when it does not answer."""
    answer = _get(settings, f"/email/{quote(mail_id, safe='')}", missing_ok=True)
    if answer.status_code == 404:
        raise WardError(f"The inbox has no mail {mail_id}: `./ward inbox` lists those that it has.")
    return _mail(answer.json())


def forget_mails(settings: Settings, before_ms: int) -> int:
    """Delete the mails that were received before that time (epoch ms); how many. Raises UnavailableError."""
    old = [mail for mail in received_mails(settings) if mail.received_at.timestamp() * 1000 < before_ms]
    for mail in old:
        try:
            url = f"{inbox_url(settings)}/api/email/{quote(mail.mail_id, safe='')}"
            requests.delete(url, timeout=TIMEOUT).raise_for_status()
        except requests.RequestException as error:
            raise UnavailableError("The inbox", inbox_url(settings), type(error).__name__) from error
    return len(old)


def _get(settings: Settings, path: str, missing_ok: bool = False) -> requests.Response:
    try:
        answer = requests.get(f"{inbox_url(settings)}/api{path}", timeout=TIMEOUT)
        if not (missing_ok and answer.status_code == 404):
            answer.raise_for_status()
    except requests.RequestException as error:
        raise UnavailableError("The inbox", inbox_url(settings), type(error).__name__) from error
    return answer


def _mail(document: dict[str, Any]) -> ReceivedMail:
    recipients: Iterable[dict[str, str]] = document.get("to") or []
    received = datetime.fromisoformat(str(document.get("time") or document["date"]).replace("Z", "+00:00"))
    return ReceivedMail(
        mail_id=document["id"],
        subject=document.get("subject") or "",
        recipients=tuple(recipient["address"] for recipient in recipients),
        received_at=received.astimezone(UTC),
        text=document.get("text") or "",
        notification_id=str(document.get("headers", {}).get("x-wardwatch-notification", "")),
    )
