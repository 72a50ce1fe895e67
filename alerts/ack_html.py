"""The acknowledge page as HTML. Pure: everything that comes from elsewhere is escaped, and there is no script."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from html import escape
from zoneinfo import ZoneInfo

from alerts.alarms_table import AlarmRow
from alerts.entries import AUTHOR_MAX, REASON_MAX, as_moment

STYLE = """
body { font: 18px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 34rem; padding: 1rem; color: #1a1a1a;
  background: #fff; }
h1 { font-size: 1.35rem; margin: 0 0 .75rem; padding-left: .6rem; border-left: .5rem solid #777; }
h1.high { border-color: #c00; } h1.medium { border-color: #d80; } h1.done { border-color: #080; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 0 0 1rem; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
p { overflow-wrap: anywhere; } .wrong { color: #b00; font-weight: bold; }
label { display: block; margin-top: .9rem; }
input, select, button { font: inherit; width: 100%; box-sizing: border-box; padding: .6rem; border-radius: .4rem;
  border: 1px solid #777; background: #fff; color: inherit; }
button { margin-top: 1.2rem; border: 0; background: #05c; color: #fff; font-weight: bold; }
footer { margin-top: 2rem; color: #555; font-size: .85rem; }
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

MINUTES = (10, 30, 60, 120, 240, 480)
DEFAULT_MINUTES = 30
FOOTER = "Wardwatch is not a medical device. Look at the patient, not only at this page."


@dataclass(frozen=True)
class Typed:
    """What stands in the form's fields: empty at first, and as it was sent when it must be corrected."""

    author: str = ""
    reason: str = ""
    minutes: int = DEFAULT_MINUTES


def page(title: str, content: str, kind: str = "") -> str:
    """A whole page; `content` is HTML, the title is text. `kind` colours the headline: a severity, or `done`."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f'<h1 class="{escape(kind)}">{escape(title)}</h1>{content}<footer>{FOOTER}</footer></body></html>'
    )


def sentence_page(title: str, *sentences: str) -> str:
    """A page that only says something."""
    return page(title, "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences))


def alarm_page(alarm: AlarmRow, zone: ZoneInfo, after: int, typed: Typed, wrong: str | None = None) -> str:
    """The alarm and the form that acknowledges it; `wrong` is what must be corrected in the form."""
    complaint = f'<p class="wrong">{escape(wrong)}</p>' if wrong else ""
    options = "".join(
        f'<option value="{minutes}"{" selected" if minutes == typed.minutes else ""}>{for_how_long(minutes)}</option>'
        for minutes in MINUTES
    )
    form = (
        f'<form method="post">{complaint}<input type="hidden" name="after" value="{after}">'
        f'<input type="hidden" name="severity" value="{escape(alarm.condition)}">'
        f'<label>Your name<input name="author" required maxlength="{AUTHOR_MAX}" autocomplete="name"'
        f' value="{escape(typed.author)}"></label>'
        f'<label>Reason, or what is being done (may be empty)<input name="reason" maxlength="{REASON_MAX}"'
        f' autocomplete="off" value="{escape(typed.reason)}"></label>'
        f'<label>No reminders for<select name="minutes">{options}</select></label>'
        "<button>Acknowledge this alarm</button></form>"
        "<p>Your name is recorded as you write it. The acknowledgement ends early if the alarm becomes more severe.</p>"
    )
    return page(f"{alarm.severity_shown.upper()}: {alarm.what}", _facts(alarm, zone) + form, alarm.severity_shown)


def result_page(alarm: AlarmRow, zone: ZoneInfo, outcome: str | None, is_repeat: bool) -> str:
    """What became of a form that was sent; `outcome` None: the engine has not said yet. A repeated one is refused."""
    if outcome is None:
        title, kind = "Recorded, not in force yet", ""
        sentences = [
            "The alert engine has not answered yet. The acknowledgement takes effect as soon as it does; until then "
            "reminders may still come."
        ]
    else:
        done = alarm.state == "acknowledged"
        title, kind = ("Acknowledged", "done") if done else ("Not acknowledged now", alarm.severity_shown)
        sentences = [outcome]
    if is_repeat:
        sentences.append("This form had been sent before: it was refused, and nothing was done a second time.")
    else:
        sentences.append("Sending this form again, or reloading this page, changes nothing.")
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    return page(title, said + _facts(alarm, zone), kind)


def _facts(alarm: AlarmRow, zone: ZoneInfo) -> str:
    facts = [
        ("Alarm", alarm.what),
        ("Severity", alarm.severity_shown),
        ("Ward", alarm.ward or "unknown"),
        ("Patient id", alarm.patient_id or "unknown"),
        ("Since", f"{as_moment(alarm.started_at, zone)} {zone.key}"),
        ("State", _state(alarm, zone)),
    ]
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f"<dl>{rows}</dl>"


def _state(alarm: AlarmRow, zone: ZoneInfo) -> str:
    if alarm.state != "acknowledged":
        return alarm.state
    until = f" until {as_moment(alarm.acknowledged_until, zone)} {zone.key}" if alarm.acknowledged_until else ""
    by = f" by {alarm.acknowledged_by}" if alarm.acknowledged_by else ""
    return f"acknowledged{by}{until}"


def for_how_long(minutes: int) -> str:
    """`30 minutes`, `1 hour`, `4 hours`."""
    if minutes % 60:
        return f"{minutes} minutes"
    return "1 hour" if minutes == 60 else f"{minutes // 60} hours"
