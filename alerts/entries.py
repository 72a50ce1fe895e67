"""What people type, checked strictly: who they are, why, for how long and until when; and times as they read them.

Times are epoch milliseconds, UTC; people read and write them in `alerts.display_time_zone`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alerts.decide import WHO
from infra.errors import ConfigurationError
from infra.settings import Settings

AUTHOR_MAX = 190
REASON_MAX = 1000
UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION = re.compile(r"([1-9][0-9]{0,4})([mhd])")
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?")


def one_clean_line(text: str) -> str:
    """The text on one line, without characters that cannot be seen: they could disguise a name, or break a mail."""
    return " ".join("".join(letter for letter in text if letter.isprintable() or letter.isspace()).split())


def author_of(text: str) -> str:
    """A person's name. Raises ConfigurationError when there is none, or it is too long."""
    author = one_clean_line(text)
    if author.casefold() == WHO:
        raise ConfigurationError(f"{WHO} is what the audit calls the program itself: give your own name.")
    if not author or len(author) > AUTHOR_MAX:
        raise ConfigurationError(f"The author is a name of 1 to {AUTHOR_MAX} characters.")
    return author


def reason_of(text: str, needed: bool = True) -> str:
    """A reason. Raises ConfigurationError when it is needed and there is none, or it is too long."""
    reason = one_clean_line(text)
    if (needed and not reason) or len(reason) > REASON_MAX:
        raise ConfigurationError(f"The reason is a text of 1 to {REASON_MAX} characters.")
    return reason


def parse_duration(text: str, longest_ms: int) -> int:
    """Milliseconds of `30m`, `2h` or `1d`. Raises ConfigurationError for anything else, and above `longest_ms`."""
    found = DURATION.fullmatch(text)
    if found is None:
        raise ConfigurationError(
            f"{text!r} is not a duration: write a whole number and m, h or d, for example 30m, 2h or 1d."
        )
    duration = int(found[1]) * UNITS_MS[found[2]]
    if duration > longest_ms:
        raise ConfigurationError(f"{text} is too long: {as_duration(longest_ms)} is the most.")
    return duration


def as_duration(milliseconds: int) -> str:
    """The same as `parse_duration` reads it, in the largest unit that needs no fraction; whole minutes only."""
    for unit in ("d", "h"):
        if milliseconds % UNITS_MS[unit] == 0:
            return f"{milliseconds // UNITS_MS[unit]}{unit}"
    return f"{milliseconds // UNITS_MS['m']}m"


def parse_moment(text: str, zone: ZoneInfo) -> int:
    """Epoch ms of `2026-01-31 14:00`, in `zone` unless it names its own. Raises ConfigurationError if it is no time."""
    try:
        if not MOMENT.fullmatch(text):
            raise ValueError
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{text!r} is not a time: write 2026-01-31T14:00 ({zone.key}), or with a zone 2026-01-31T14:00+01:00."
        ) from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1000)


def zone_of(settings: Settings) -> ZoneInfo:
    """The zone in which people read times. Raises ConfigurationError for one that does not exist."""
    name = settings.alerts.display_time_zone
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigurationError(f"alerts.display_time_zone: there is no time zone {name!r}.") from error


def as_moment(at: int, zone: ZoneInfo) -> str:
    """Epoch ms as people read it, to the second, without the zone."""
    return f"{datetime.fromtimestamp(at / 1000, UTC).astimezone(zone):%Y-%m-%d %H:%M:%S}"
