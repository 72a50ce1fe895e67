"""What a mail is made of, and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from clinical.messages import Breach, Severity
from clinical.notices import News

ENDS = frozenset({News.RESOLVED, News.DISCHARGED})


@dataclass(frozen=True)
class Style:
    """How mails are written: the zone of their times, and whether they hold name, phone, address and device."""

    zone: ZoneInfo
    direct_identifiers: bool = True


@dataclass(frozen=True)
class Mail:
    """A subject (ASCII, one line, at most 99 characters) and a plain text body; how many alarms it tells of."""

    subject: str
    body: str
    alarms: int = 1


@dataclass(frozen=True)
class Told:
    """One alarm as a mail tells it. Times: event time, epoch ms.

    `severity` is that of the mail; once the alarm is over, the highest that its mails carried. `breach` is the one that
    decided. `since`: the first value out of range, `until`: the end, when it is over. `values`: (time, value) of the
    attribute, newest first, of which a mail shows ten. `is_acknowledged`: somebody has, and is told all the same.
    """

    alarm_id: str
    news: News
    severity: Severity
    breach: Breach
    since: int
    breaches: int
    until: int | None = None
    values: tuple[tuple[int, float], ...] = ()
    is_acknowledged: bool = False

    @property
    def is_over(self) -> bool:
        """The alarm has ended: nothing is left to acknowledge."""
        return self.news in ENDS


@dataclass(frozen=True)
class Current:
    """The newest known value of one attribute, measured or derived, of the patient; `at`: event time, epoch ms."""

    attribute: str
    value: float
    at: int
    inputs_used: int | None = None
    inputs_expected: int | None = None
