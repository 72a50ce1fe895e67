"""Signed links that acknowledge one alarm: whoever has the mail may acknowledge, for a day, and nobody else.

A token is `<alarm id>-<expiry, epoch s>-<HMAC-SHA256 in hex>`: letters and digits at its end, so that no mail reader
takes its last character for punctuation. It is a capability and is never logged.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable

from infra.errors import WardError
from infra.settings import Settings

PATH = "/acknowledge/"
SECRET = "acknowledge_key"
PURPOSE = "wardwatch acknowledge"
"""Part of what is signed, so that the key may sign other things one day and none passes for a link."""

TOKEN = re.compile(r"(?P<alarm>[0-9a-f]{32})-(?P<expires>[1-9][0-9]{0,11})-(?P<signature>[0-9a-f]{64})")


class AlteredLinkError(WardError):
    """The token is none that this key has signed: altered, cut off, invented, or of another installation."""

    def __init__(self) -> None:
        super().__init__("The link is not one that Wardwatch has sent, or it was cut off on its way.")


class ExpiredLinkError(WardError):
    """The token was signed with this key, and its time is over. `expired_at`: epoch s."""

    def __init__(self, alarm_id: str, expired_at: int) -> None:
        super().__init__("The link has expired.")
        self.alarm_id = alarm_id
        self.expired_at = expired_at


def make_token(key: str, alarm_id: str, expires: int) -> str:
    """A token that holds for that alarm before `expires` (epoch s)."""
    return f"{alarm_id}-{expires}-{_signature(key, alarm_id, expires)}"


def read_token(key: str, token: str, now: float) -> str:
    """The id of the alarm that a token speaks of; `now` is epoch s.

    Raises AlteredLinkError, or ExpiredLinkError for a token that is genuine and too old.
    """
    found = TOKEN.fullmatch(token)
    if found is None:
        raise AlteredLinkError
    alarm_id, expires = found["alarm"], int(found["expires"])
    if not hmac.compare_digest(found["signature"], _signature(key, alarm_id, expires)):
        raise AlteredLinkError
    if now >= expires:
        raise ExpiredLinkError(alarm_id, expires)
    return alarm_id


def acknowledge_link(settings: Settings, clock: Callable[[], float] = time.time) -> Callable[[str], str] | None:
    """A function from an alarm's id to the link for its mails; None where no page is to be reached.

    Each link holds for `alerts.acknowledge_link_hours` from the moment it is made. Raises ConfigurationError when the
    key has not been made.
    """
    base = settings.acknowledge_base_url
    if base is None:
        return None
    key, lifetime = settings.secret(SECRET), settings.alerts.acknowledge_link_hours * 3600
    return lambda alarm_id: f"{base}{PATH}{make_token(key, alarm_id, round(clock() + lifetime))}"


def _signature(key: str, alarm_id: str, expires: int) -> str:
    return hmac.new(key.encode(), f"{PURPOSE}|{alarm_id}|{expires}".encode(), hashlib.sha256).hexdigest()
