"""What people are told of an alarm, and when: news of its life, reminders and escalation. Pure, apart from any mail.

Three steps: `after` folds what happened to an alarm into its `Notice`; `plan` says which news of one patient's alarms
go out now, grouped into mails, and when to ask again; `told` notes that they did. Times are epoch milliseconds by the
clock: what a person was told and when is a matter of the clock, not of event time.

**Grouping** (issue of floods: Drew 2014). Of one patient's alarms the first that is high goes out at once; what is high
within `group_seconds` of it waits for the end of that time and is one mail. Everything else waits `group_seconds`, so
that what belongs together is one mail. Only news with equal ward, severity and escalation share a mail, since these
decide whom it reaches.

**Reminders** of an alarm that nobody has acknowledged back off: after `reminder_seconds`, then twice as long each time.
**Escalation**: a high alarm that nobody has acknowledged is told to the next level after `escalation_seconds`; such a
mail stands for a reminder. An acknowledgement stops both; when its time is over, people are reminded at once.

**The end** is told once, to each ward that the mails went to (alone to an unknown one, which reaches all), with the
highest severity and escalation that they had, so that it reaches the same people; never of an alarm that nobody was
told of, unless its first mail was still waiting. Patients who move to another ward are told to the new one at once. A
fall in severity is no news; a rise after `reminder_seconds` of a severity that nobody is mailed is, whatever was told
before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from clinical.lifecycle_events import SEVERITIES, Kind, Transition
from clinical.lifecycle_state import Phase
from clinical.messages import Severity

LEVELS = 2
"""Escalation levels above the first."""

LATE_MS = 60_000
"""An escalation that is told later than this after it was due had been held back; less is what company takes."""

UNKNOWN_WARD = "ward unknown"
"""Of a patient whose ward is not on record: mails to it reach the readers of every ward."""


class News(StrEnum):
    """What a mail tells of one alarm."""

    RAISED = "raised"
    WORSE = "worse"
    AGAIN = "again"
    ARREST = "arrest"
    REMINDER = "reminder"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    DISCHARGED = "discharged"


ENDS = frozenset({News.RESOLVED, News.DISCHARGED})
RISES = frozenset({News.RAISED, News.WORSE, News.AGAIN, News.ARREST})


@dataclass(frozen=True)
class Rule:
    """`told`: the severities that are mailed at all. Seconds otherwise; `escalation_seconds`: after the high mail."""

    told: frozenset[Severity] = frozenset({"high", "medium"})
    group_seconds: int = 30
    reminder_seconds: int = 300
    reminder_longest_seconds: int = 3600
    escalation_seconds: tuple[int, ...] = (300, 600)


@dataclass(frozen=True, slots=True)
class Notice:
    """What people were told of one alarm and what they are owed.

    `owed` since `owed_since`, of severity `owed_severity` (the highest since then). `told_at`: the last mail, of
    `told_severity`; `peak` and `escalation`: the highest that its mails carried; `wards`: where they went, the last
    one last. `urgent_at`: the last high mail of a rise. `high_at`: since when a high mail stands unanswered, and
    `steps` escalations since. `reminders` since the last news. `quiet_since`: since when its severity is none that is
    mailed.
    """

    owed: News | None = None
    owed_since: int | None = None
    owed_severity: Severity | None = None
    told_at: int | None = None
    told_severity: Severity | None = None
    peak: Severity | None = None
    escalation: int = 0
    wards: tuple[str, ...] = ()
    urgent_at: int | None = None
    high_at: int | None = None
    steps: int = 0
    reminders: int = 0
    quiet_since: int | None = None

    @property
    def settled(self) -> bool:
        """Nothing is owed."""
        return self.owed is None


@dataclass(frozen=True, slots=True)
class Standing:
    """An alarm as `plan` sees it. `phase` and `severity` None: it is over. `silenced_until`: None when it is not.
    `arrested`: heart or breath stood still in it."""

    notice: Notice
    phase: Phase | None
    severity: Severity | None
    ward: str
    silenced_until: int | None = None
    arrested: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One alarm in one mail. `due_at`: since when it is to be told, `ready_at`: since when that may be in a mail."""

    key: Any
    news: News
    severity: Severity
    ward: str
    escalation: int
    due_at: int
    ready_at: int


@dataclass
class Plan:
    """Mails to write now, each a list of items of equal ward, severity and escalation, high and old first; and when to
    plan again if nothing happens before (None: never)."""

    mails: list[list[Item]] = field(default_factory=list)
    next_at: int | None = None


def rank(severity: Severity | None) -> int:
    """Index into SEVERITIES; -1: none."""
    return -1 if severity is None else SEVERITIES.index(severity)


def after(notice: Notice, change: Transition, now: int, rule: Rule, silenced: bool = False) -> Notice:
    """The notice after one transition of its alarm. `silenced`: nobody is told of it now."""
    notice = not_ahead(notice, now)
    match change.kind:
        case Kind.RAISED | Kind.SEVERITY_ROSE:
            return _rose(notice, change.severity, now, rule)
        case Kind.SEVERITY_FELL if change.severity not in rule.told:
            return notice if notice.quiet_since is not None else replace(notice, quiet_since=now)
        case Kind.ARRESTED:
            return _arrested(notice, now, rule)
        case Kind.ACKNOWLEDGED:
            notice = replace(notice, high_at=None, steps=0, reminders=0)
            return notice if _is_unheard_rise(notice) else _settle(notice)
        case Kind.ACKNOWLEDGEMENT_ENDED:
            notice = replace(notice, high_at=None, steps=0)
            if notice.owed is not None or change.severity not in rule.told:
                return notice
            return replace(notice, owed=News.REMINDER, owed_since=now, owed_severity=change.severity)
        case Kind.CLEARED:
            return _ended(notice, News.RESOLVED, now, silenced or _was_never_told(notice, now, rule))
        case Kind.ENDED_BY_DISCHARGE:
            return _ended(notice, News.DISCHARGED, now, silenced or notice.told_at is None)
        case _:
            return notice


def not_ahead(notice: Notice, now: int) -> Notice:
    """The notice with no time later than `now`: after the clock was set back, nothing waits for it to catch up."""
    known = (notice.owed_since, notice.told_at, notice.urgent_at, notice.high_at, notice.quiet_since)
    if max(filter(None, known), default=0) <= now:
        return notice
    return replace(
        notice,
        owed_since=_at_most(notice.owed_since, now),
        told_at=_at_most(notice.told_at, now),
        urgent_at=_at_most(notice.urgent_at, now),
        high_at=_at_most(notice.high_at, now),
        quiet_since=_at_most(notice.quiet_since, now),
    )


def plan(alarms: Mapping[Any, Standing], urgent_at: int | None, now: int, rule: Rule, only_news: bool = False) -> Plan:
    """What to tell of one patient's alarms now. `urgent_at`: the patient's last high mail of a rise, if known.
    `only_news`: nothing that says that an alarm lasts, for that is not known just now."""
    if only_news:
        alarms = {key: one for key, one in alarms.items() if one.notice.owed not in (None, News.REMINDER)}
    recent = [at for at in (urgent_at, *(one.notice.urgent_at for one in alarms.values())) if at is not None]
    last_urgent = min(max(recent), now) if recent else None
    items = [item for key, alarm in alarms.items() for item in _items(key, alarm, last_urgent, now, rule)]
    due = {_address(item) for item in items if item.ready_at <= now}
    result = Plan()
    for address in sorted(due, key=lambda one: (-rank(one[1]), -one[2], one[0])):
        together = [item for item in items if _address(item) == address and _may_ride(alarms[item.key], item, now)]
        result.mails.append(sorted(together, key=lambda item: item.ready_at))
    sent = {(item.key, item.ward) for mail in result.mails for item in mail}
    waiting = [item.ready_at for item in items if (item.key, item.ward) not in sent]
    result.next_at = min(waiting, default=None)
    return result


def told(notice: Notice, items: Iterable[Item], now: int) -> Notice:
    """The notice after a mail (for an end: after those to all wards) with these items of its alarm was written."""
    for item in items:
        urgent = item.severity == "high" and item.news in RISES
        high_at, steps, reminders = notice.high_at, notice.steps, notice.reminders + 1
        if item.news in RISES or _is_new_to_ward(notice, item):
            reminders, steps = 0, 0
            high_at = now if item.severity == "high" else None
        elif item.news is News.ESCALATED:
            steps += 1
            if high_at is not None and now - item.due_at > LATE_MS:
                # It waited for a silence to end: the next one waits its time after it.
                high_at += now - item.due_at
        elif item.severity == "high" and high_at is None:
            high_at = now
        notice = replace(
            _settle(notice),
            told_at=now,
            told_severity=item.severity,
            peak=max(notice.peak or item.severity, item.severity, key=SEVERITIES.index),
            escalation=max(notice.escalation, item.escalation),
            wards=(*(ward for ward in notice.wards if ward != item.ward), item.ward),
            urgent_at=now if urgent else notice.urgent_at,
            high_at=high_at,
            steps=steps,
            reminders=reminders,
        )
    return notice


def _is_new_to_ward(notice: Notice, item: Item) -> bool:
    """Whether a ward hears of an alarm that lasts for the first time: nobody there was asked to answer before."""
    return (
        item.news not in ENDS
        and bool(notice.wards)
        and UNKNOWN_WARD not in (notice.wards[-1], item.ward)
        and item.ward not in notice.wards
    )


def to_dict(notice: Notice) -> dict[str, Any]:
    """A JSON-able form."""
    return asdict(notice)


def from_dict(stored: Mapping[str, Any]) -> Notice:
    """The notice that `to_dict` stored. Raises ValueError for a form that it did not write."""
    try:
        fields = {**stored, "wards": tuple(stored["wards"])}
        fields["owed"] = None if fields["owed"] is None else News(fields["owed"])
        return Notice(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"What was told of an alarm cannot be read: {error!r}.") from error


def _rose(notice: Notice, severity: Severity | None, now: int, rule: Rule) -> Notice:
    if severity is None or severity not in rule.told:
        return notice
    quiet_since, notice = notice.quiet_since, replace(notice, quiet_since=None)
    if notice.owed in RISES:
        deepest = max(notice.owed_severity or severity, severity, key=SEVERITIES.index)
        return replace(notice, owed_severity=deepest)
    if notice.told_at is None:
        return replace(notice, owed=News.RAISED, owed_since=now, owed_severity=severity)
    was_quiet = quiet_since is not None and now - quiet_since >= rule.reminder_seconds * 1000
    is_worse = rank(severity) > rank(notice.told_severity)
    if is_worse or was_quiet:
        news = News.WORSE if is_worse else News.AGAIN
        return replace(notice, owed=news, owed_since=now, owed_severity=severity)
    return notice


def _arrested(notice: Notice, now: int, rule: Rule) -> Notice:
    """A heart or a breath that stands still is news of its own, though people were told of a high alarm before."""
    if "high" not in rule.told:
        return notice
    news = News.RAISED if notice.told_at is None else News.ARREST
    since = notice.owed_since if notice.owed in RISES else now
    return replace(notice, owed=news, owed_since=since, owed_severity="high")


def _ended(notice: Notice, news: News, now: int, unheard: bool) -> Notice:
    if notice.told_at is None and (unheard or notice.owed is None):
        return _settle(notice)
    severity = notice.peak or notice.owed_severity
    return replace(notice, owed=news, owed_since=now, owed_severity=severity)


def _was_never_told(notice: Notice, now: int, rule: Rule) -> bool:
    """Whether a rise was held for long, and was none to be told any more when it could have been."""
    return notice.told_at is None and notice.quiet_since is not None and _waits_for_long(notice, now, rule)


def _waits_for_long(notice: Notice, now: int, rule: Rule) -> bool:
    return notice.owed_since is not None and now - notice.owed_since >= rule.reminder_seconds * 1000


def _is_unheard_rise(notice: Notice) -> bool:
    """Whether a rise is owed beyond what people had been told when they acknowledged: they cannot have meant it."""
    if notice.told_at is None or notice.owed not in RISES:
        return False
    return notice.owed is News.ARREST or rank(notice.owed_severity) > rank(notice.peak)


def _at_most(at: int | None, now: int) -> int | None:
    return None if at is None else min(at, now)


def _settle(notice: Notice) -> Notice:
    return replace(notice, owed=None, owed_since=None, owed_severity=None)


def _items(key: Any, alarm: Standing, last_urgent: int | None, now: int, rule: Rule) -> list[Item]:
    """What one alarm has to tell, and from when on; an end has an item for each ward."""
    found = _next_news(alarm, now, rule)
    if found is None:
        return []
    news, at, severity, escalation = found
    group_ms = rule.group_seconds * 1000
    if _is_urgent(news, severity):
        ready = at if last_urgent is None else max(at, last_urgent + group_ms)
    else:
        ready = at if news is News.REMINDER else at + group_ms
    if alarm.silenced_until is not None:
        ready = max(ready, alarm.silenced_until)
    wards = _wards_of_end(alarm) if news in ENDS else (alarm.ward,)
    return [Item(key, news, severity, ward, escalation, at, ready) for ward in wards]


def _wards_of_end(alarm: Standing) -> tuple[str, ...]:
    """Where the end is told: to those who were told of the alarm, and to nobody twice."""
    wards = alarm.notice.wards or (alarm.ward,)
    return (UNKNOWN_WARD,) if UNKNOWN_WARD in wards else wards


def _next_news(alarm: Standing, now: int, rule: Rule) -> tuple[News, int, Severity, int] | None:
    """News, since when it is due, its severity and its escalation."""
    notice = not_ahead(alarm.notice, now)
    if notice.owed is not None and notice.owed_since is not None:
        severity = notice.owed_severity or "high"
        if _has_fallen_since(alarm, notice, now, rule):
            if alarm.severity not in rule.told:
                return None
            severity = alarm.severity
            if notice.told_at is not None and rank(severity) <= rank(notice.told_severity):
                return News.REMINDER, notice.owed_since, severity, 0
        return notice.owed, notice.owed_since, severity, notice.escalation if notice.owed in ENDS else 0
    if alarm.phase in (None, Phase.PENDING) or notice.told_at is None or alarm.severity not in rule.told:
        return None
    severity = alarm.severity
    if notice.wards and alarm.ward != notice.wards[-1]:
        return News.REMINDER, notice.told_at, severity, 0
    if alarm.phase is not Phase.ACTIVE:
        return None
    pause = min(rule.reminder_seconds * 2 ** min(notice.reminders, 16), rule.reminder_longest_seconds)
    reminder = (News.REMINDER, notice.told_at + pause * 1000, severity, 0)
    if severity != "high" or notice.high_at is None or notice.steps >= len(rule.escalation_seconds):
        return reminder
    level = min(notice.steps + 1, LEVELS)
    escalated = (News.ESCALATED, notice.high_at + rule.escalation_seconds[notice.steps] * 1000, severity, level)
    return escalated if escalated[1] <= reminder[1] else reminder


def _has_fallen_since(alarm: Standing, notice: Notice, now: int, rule: Rule) -> bool:
    """Whether a rise that could not be told for long, as for a silence, is of an alarm that has become milder since: by
    now it would be false. A heart or a breath that stood still is told all the same."""
    if notice.owed not in RISES or alarm.arrested or alarm.severity is None:
        return False
    is_silenced = alarm.silenced_until is not None and alarm.silenced_until > now
    is_milder = rank(alarm.severity) < rank(notice.owed_severity)
    return is_milder and not is_silenced and _waits_for_long(notice, now, rule)


def _is_urgent(news: News, severity: Severity) -> bool:
    return severity == "high" and (news in RISES or news is News.ESCALATED)


def _address(item: Item) -> tuple[str, Severity, int]:
    return item.ward, item.severity, item.escalation


def _may_ride(alarm: Standing, item: Item, now: int) -> bool:
    """Whether an item is told with others of its address: what is due, and what is owed and only waits for company."""
    if item.ready_at <= now:
        return True
    to_several_wards = item.news in ENDS and len(_wards_of_end(alarm)) > 1  # it goes to all of them at once
    return alarm.notice.owed is not None and alarm.silenced_until is None and not to_several_wards
