"""Small texts that mails are made of: numbers, times and ages in words; texts of others made harmless. Pure."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from clinical.notices import UNKNOWN_WARD
from clinical.vitals import JUDGED, round_half_up

SUBJECT_MAX = 99
"""SNS demands a subject of less than 100 ASCII characters on one line."""

LINE_MAX = 500
SHORT_MAX = 200
"""Longest texts of others that go into a mail, the short one where a mail says it of each of its alarms: SNS refuses a
message above 256 KiB."""

UNIT_MAX = 20
NUMBER_MAX = Decimal(10**12)
"""No value of a body is as large: what is larger is written as a power of ten."""

NOT_ON_RECORD = "not on record"
NOT_IMPORTED = "contact not imported yet"
REPLACED = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ł": "l", "Ł": "L"})
"""Letters that have no decomposition into a plain letter and an accent."""


def row(title: str, text: str) -> str:
    """One line of a body, which a program finds by its title."""
    return f"{title + ':':<13} {text}"


def label(attribute: str) -> str:
    """What people call an attribute."""
    vital = JUDGED.get(attribute)
    return vital.label if vital else one_line(attribute.replace("_", " "), SHORT_MAX)


def number_text(attribute: str, value: float) -> str:
    """A value at the resolution of its attribute."""
    vital, number = JUDGED.get(attribute), Decimal(str(value))
    if vital is None or not number.is_finite() or abs(number) > NUMBER_MAX:
        return f"{value:g}"
    return str(round_half_up(number, vital.scale))


def measured_text(attribute: str, value: float, unit: str) -> str:
    """A value with its unit."""
    return f"{number_text(attribute, value)} {one_line(unit, UNIT_MAX)}".strip()


def at_least(inputs_used: int | None, inputs_expected: int | None) -> str:
    """What stands before the value of a score that lacked inputs, and is a lower bound then; empty otherwise."""
    is_partial = inputs_used is not None and inputs_expected is not None and inputs_used < inputs_expected
    return ">= " if is_partial else ""


def band_text(attribute: str, unit: str, low: float | None, high: float | None) -> str:
    """A band in words; both limits belong to it."""
    if low is not None and high is not None:
        return f"{number_text(attribute, low)} to {measured_text(attribute, high, unit)}"
    if high is not None:
        return f"{measured_text(attribute, high, unit)} or less"
    if low is not None:
        return f"{measured_text(attribute, low, unit)} or more"
    return "any value"


def age_text(years: float | None) -> str:
    """An age as people say it: months below two years."""
    if years is None:
        return "not on record, judged by the limits of an adult"
    if years < 2:
        months = int(years * 12)
        return f"{months} month{'' if months == 1 else 's'}"
    return f"{int(years)} years"


def duration_text(milliseconds: int) -> str:
    """A length of time, cut to what matters; none is negative, whatever the clocks say."""
    seconds = max(milliseconds, 0) // 1000
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes // 60 % 24} h"


def local_time(epoch_ms: int, zone: ZoneInfo) -> str:
    """A time with the name of its zone."""
    return _format(epoch_ms, zone, "%Y-%m-%d %H:%M:%S %Z")


def clock_text(epoch_ms: int, now: int, zone: ZoneInfo, with_zone: bool = True) -> str:
    """The time of day; with the date if that is not the day of `now`."""
    day = "%Y-%m-%d"
    is_today = _format(epoch_ms, zone, day) == _format(now, zone, day)
    return _format(epoch_ms, zone, ("" if is_today else f"{day} ") + "%H:%M:%S" + (" %Z" if with_zone else ""))


def _format(epoch_ms: int, zone: ZoneInfo, pattern: str) -> str:
    try:
        return datetime.fromtimestamp(epoch_ms / 1000, UTC).astimezone(zone).strftime(pattern)
    except (ValueError, OverflowError, OSError):  # beyond the calendar: a mail with an odd time is better than none
        return f"{epoch_ms} ms after 1970"


def ward_words(ward: str | None) -> str:
    """A ward as a subject names it."""
    name = one_line(ward)
    return ascii_line(f"ward {name}") if name and name != UNKNOWN_WARD else UNKNOWN_WARD


def one_line(text: str | None, longest: int = LINE_MAX) -> str:
    """Text as one line: line ends become commas, other control characters blanks; cut after `longest` characters."""
    joined = ", ".join(part.strip() for part in (text or "").splitlines() if part.strip())
    visible = "".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in joined).strip()
    return clip(visible, longest)


def ascii_line(text: str | None) -> str:
    """Text as one line of printable ASCII, as `to_ascii` spells it."""
    return to_ascii(one_line(text)).strip()


def to_ascii(text: str) -> str:
    """Text in printable ASCII: accents and the degree sign go, whatever else is left over becomes a question mark."""
    plain = unicodedata.normalize("NFKD", text.translate(REPLACED))
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter) and letter != "°")
    return "".join(letter if " " <= letter <= "~" else "?" for letter in kept)


def clip(text: str, longest: int) -> str:
    """Text of at most `longest` characters, marked where it was cut."""
    return text if len(text) <= longest else text[: max(longest - 2, 0)] + ".."[:longest]
