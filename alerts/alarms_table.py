"""The tables of alarms as people look at them: lists, one alarm, its history. Only the alert engine writes them.

Nothing here holds a direct identifier of a patient. Times are epoch milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from pymysql.cursors import Cursor

from clinical.lifecycle_events import ARRESTS, SEVERITIES
from clinical.lifecycle_state import State
from clinical.vitals import JUDGED, round_half_up
from infra.errors import WardError

ARREST = "arrest"
CONDITIONS: tuple[str, ...] = (*SEVERITIES, ARREST)
"""What can be acknowledged, the worst last. A heart or a breath that stands still is high, and more than that."""

RISEN = "The alarm has become more severe since this form was shown. Look again, then acknowledge it."
PREFIX = re.compile(r"[0-9a-f]{6,32}")
AMBIGUOUS_SHOWN = 5
COLUMNS = (
    "alarm_id, kind, patient_id, ward, attribute, direction, technical_kind, detail, phase, severity, peak_severity,"
    " started_at, raised_at, last_breach_at, breaches, last_value, told_at, escalation, acknowledged_by,"
    " acknowledged_until, ended_at, end_reason, technical_key"
)
MOST_URGENT_FIRST = "FIELD(COALESCE(severity, 'technical'), 'high', 'medium', 'low', 'technical'), started_at"


@dataclass(frozen=True)
class AlarmRow:
    """One row of `alarms`, without its stored state and breach. `started_at`, `raised_at`, …: see `schema.sql`."""

    alarm_id: str
    kind: str
    patient_id: str | None
    ward: str | None
    attribute: str | None
    direction: str | None
    technical_kind: str | None
    detail: str | None
    phase: str | None
    severity: str | None
    peak_severity: str | None
    started_at: int
    raised_at: int | None
    last_breach_at: int
    breaches: int
    last_value: float | None
    told_at: int | None
    escalation: int
    acknowledged_by: str | None
    acknowledged_until: int | None
    ended_at: int | None
    end_reason: str | None
    technical_key: str | None = None

    @property
    def state(self) -> str:
        """The phase; of a technical alarm, which has none, whether its cause lasts."""
        return self.phase or ("active" if self.ended_at is None else "ended")

    @property
    def severity_shown(self) -> str:
        """The severity; of a pending alarm none."""
        return "technical" if self.kind == "technical" else self.severity or ""

    @property
    def condition(self) -> str:
        """What somebody sees who acknowledges it: the severity, or ARREST."""
        is_zero = self.severity == "high" and self.attribute in ARRESTS and self.last_value == 0
        return ARREST if is_zero else self.severity_shown

    @property
    def what(self) -> str:
        """What is wrong, in a few words: `Heart rate high, last 135 /min`. The last value may be back in range."""
        if self.attribute is None:
            return self.technical_kind or ""
        vital = JUDGED.get(self.attribute)
        wrong = " ".join(part for part in (vital.label if vital else self.attribute, self.direction) if part)
        if vital is None or self.last_value is None:
            return wrong
        value = round_half_up(Decimal(str(self.last_value)), vital.scale)
        return f"{wrong}, last {f'{value:f} {vital.unit}'.strip()}"


@dataclass(frozen=True)
class Step:
    """One line of an alarm's history; with the mail that it gave, if any, by its subject and when SNS took it."""

    at: int
    who: str
    what: str
    why: str
    mail: str | None
    mailed_at: int | None


@dataclass(frozen=True)
class Choice:
    """Which alarms to list; None chooses all. `ended_too`: those that are over or pending, besides the open ones."""

    ward: str | None = None
    patient_id: str | None = None
    severity: str | None = None
    ended_too: bool = False


def list_alarms(cursor: Cursor, choice: Choice, limit: int) -> list[AlarmRow]:
    """Open alarms, the most urgent first; with those that are over, the newest first. At most `limit`."""
    conditions, arguments = ["TRUE"], list[object]()
    if not choice.ended_too:
        conditions.append("open_key IS NOT NULL AND (phase IS NULL OR phase IN ('active', 'acknowledged'))")
    if choice.severity == "technical":
        conditions.append("kind = 'technical'")
    elif choice.severity is not None:
        conditions.append("kind = 'clinical' AND severity = %s")
        arguments.append(choice.severity)
    for column, value in (("ward", choice.ward), ("patient_id", choice.patient_id)):
        if value is not None:
            conditions.append(f"{column} = %s")
            arguments.append(value)
    order = "last_breach_at DESC" if choice.ended_too else MOST_URGENT_FIRST
    cursor.execute(
        f"SELECT {COLUMNS} FROM alarms WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT %s",
        (*arguments, limit),
    )
    return _rows(cursor)


def list_of_vital(cursor: Cursor, patient_id: str, attribute: str, span: tuple[int, int], limit: int) -> list[AlarmRow]:
    """Alarms of a patient's vital that were active in that span (from, to), the newest first. At most `limit`."""
    begin, end = span
    cursor.execute(
        f"SELECT {COLUMNS} FROM alarms WHERE patient_id = %s AND attribute = %s AND raised_at <= %s"
        " AND (ended_at IS NULL OR ended_at >= %s) ORDER BY last_breach_at DESC LIMIT %s",
        (patient_id, attribute, end, begin, limit),
    )
    return _rows(cursor)


def list_ended(cursor: Cursor, since: int, limit: int) -> list[AlarmRow]:
    """Alarms of which somebody was told and which ended after `since`, the newest end first. At most `limit`."""
    cursor.execute(
        f"SELECT {COLUMNS} FROM alarms WHERE ended_at > %s AND (kind = 'technical' OR raised_at IS NOT NULL)"
        " ORDER BY ended_at DESC LIMIT %s",
        (since, limit),
    )
    return _rows(cursor)


def load_alarm(cursor: Cursor, alarm_id: str) -> AlarmRow | None:
    """The alarm of that id, if there is one."""
    cursor.execute(f"SELECT {COLUMNS} FROM alarms WHERE alarm_id = %s", (alarm_id,))
    return next(iter(_rows(cursor)), None)


def check_prefix(typed: str) -> str:
    """The beginning of an alarm's id as it is stored. Raises WardError for what can be none."""
    prefix = typed.lower()
    if not PREFIX.fullmatch(prefix):
        raise WardError(f"{typed!r} is not an alarm's id: give at least its first 6 characters, each 0-9 or a-f.")
    return prefix


def find_alarm(cursor: Cursor, typed: str) -> AlarmRow:
    """The one alarm whose id begins so. Raises WardError when there is none, or more than one."""
    prefix = check_prefix(typed)
    cursor.execute(
        f"SELECT {COLUMNS} FROM alarms WHERE alarm_id LIKE %s ORDER BY last_breach_at DESC LIMIT %s",
        (f"{prefix}%", AMBIGUOUS_SHOWN + 1),
    )
    found = _rows(cursor)
    if not found:
        raise WardError(f"There is no alarm {prefix}: `./ward alarms list --all` shows those that there are.")
    if len(found) > 1:
        shown = ", ".join(alarm.alarm_id for alarm in found[:AMBIGUOUS_SHOWN])
        more = " and more" if len(found) > AMBIGUOUS_SHOWN else ""
        raise WardError(f"Several alarms begin with {prefix}: {shown}{more}. Give more characters.")
    return found[0]


def load_history(cursor: Cursor, alarm_id: str) -> list[Step]:
    """Every step of an alarm, oldest first."""
    cursor.execute(
        "SELECT e.at, e.who, e.what, e.why, n.subject, n.sent_at FROM alarm_events e"
        " LEFT JOIN notifications n ON n.notification_id = e.notification_id"
        " WHERE e.alarm_id = %s ORDER BY e.event_id",
        (alarm_id,),
    )
    return [Step(*row) for row in cursor.fetchall()]


def not_acknowledgeable(alarm: AlarmRow) -> str | None:
    """Why this alarm cannot be acknowledged, as a sentence; None when it can."""
    if alarm.kind == "technical":
        return "A technical alarm is not acknowledged: it ends when its cause is gone."
    if alarm.state == "ended":
        return "The alarm is over: there is nothing to acknowledge."
    if alarm.state == "pending":
        return "The alarm is still pending: nobody has been told of it, and there is nothing to acknowledge."
    return None


def has_risen(alarm: AlarmRow, shown: str) -> bool:
    """Whether the alarm is more severe than somebody was shown: that was not what they meant to acknowledge."""
    return is_above(alarm.condition, shown)


def condition_of(state: State) -> str | None:
    """The same of an alarm as the engine holds it; None while it is pending."""
    return ARREST if state.arrested and state.arrest_over_since is None else state.severity


def is_above(condition: str | None, shown: str) -> bool:
    """Whether a condition is worse than what was shown, which may be none."""
    return condition in CONDITIONS and (
        shown not in CONDITIONS or CONDITIONS.index(condition) > CONDITIONS.index(shown)
    )


def _rows(cursor: Cursor) -> list[AlarmRow]:
    rows: Iterable[tuple[object, ...]] = cursor.fetchall()
    return [AlarmRow(*row) for row in rows]  # type: ignore[arg-type]
