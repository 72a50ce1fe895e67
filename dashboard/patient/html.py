"""Tables and lists as HTML: lighter than elements for what is sent every two seconds. Pure; all text is escaped."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from html import escape
from urllib.parse import quote
from zoneinfo import ZoneInfo

from alerts.alarms_table import AlarmRow
from alerts.entries import as_moment
from dashboard.patient.bands import Band
from dashboard.patient.chart import LOOKS, look_of
from dashboard.patient.table import DOUBTED, Table

NOT_KNOWN = "Nothing is known of alarms at the moment."


def patient_path(patient_id: str) -> str:
    """The address of a patient's page."""
    return f"/patients/{quote(patient_id, safe='')}"


def table_html(name: str, header: Sequence[str], rows: Iterable[Sequence[str]], links: Sequence[str] = ()) -> str:
    """A table that scrolls by itself; `links`: where the first cell of each row leads."""
    return scrolling_html(
        name, header, [[_linked(row, place, links), *map(_cell, row[1:])] for place, row in enumerate(rows)]
    )


def readings_html(table: Table) -> str:
    """The last readings; a value that is not judged looks so."""
    return table_html("Last readings", table.header, table.rows)


def alarms_html(name: str, alarms: Iterable[AlarmRow], zone: ZoneInfo, sees_identity: bool, is_known: bool) -> str:
    """Alarms with their severity by shape, text and colour; who acknowledged one, for those who may see names.

    `is_known`: whether there would be more if there were; else none is no good news.
    """
    rows = [
        [
            _severity(alarm),
            _cell(alarm.what if alarm.kind == "clinical" else alarm.detail or alarm.what),
            _cell(_state(alarm, zone, sees_identity)),
            _cell(as_moment(alarm.raised_at or alarm.started_at, zone)),
            _cell("" if alarm.ended_at is None else as_moment(alarm.ended_at, zone)),
        ]
        for alarm in alarms
    ]
    if not rows and not is_known:
        return f"<p>{NOT_KNOWN}</p>"
    if not rows:
        return '<p class="ward-patient-fine"><span aria-hidden="true">✓</span> none</p>'
    return scrolling_html(name, ("Severity", "What", "State", "Since", "Ended"), rows)


def bands_html(bands: Collection[Band], age_is_known: bool = True) -> str:
    """The limits in force, lowest values first; whose they are, unless it is what everybody expects."""
    items = "".join(
        f'<li style="color:{look_of(band).ink}"><span aria-hidden="true">{look_of(band).mark}</span> '
        f"{escape(look_of(band).word)}: {escape(band.text)}</li>"
        for band in bands
    )
    if not items:
        return "<p>There are no limits for this vital.</p>"
    note = ""
    if any(band.is_own for band in bands):
        note = "<p>These are the patient's own limits.</p>"
    elif not age_is_known:
        note = "<p>Age not known: these are the limits of adults.</p>"
    return f'<ul class="ward-patient-bands">{items}</ul>{note}'


def facts_html(facts: Iterable[tuple[str, str]]) -> str:
    """Names and what they are."""
    return (
        '<dl class="ward-patient-facts">'
        + "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text) or '–'}</dd></div>" for name, text in facts)
        + "</dl>"
    )


def scrolling_html(name: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already, in a frame that can be scrolled by keyboard."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="ward-scroll" role="region" tabindex="0" aria-label="{escape(name)}">'
        f'<table class="ward-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _linked(row: Sequence[str], place: int, links: Sequence[str]) -> str:
    return f'<a href="{escape(links[place])}">{escape(row[0])}</a>' if links else _cell(row[0])


def _cell(text: str) -> str:
    doubted = ' class="ward-patient-doubted"' if text.endswith(f" {DOUBTED}") else ""
    return f"<span{doubted}>{escape(text)}</span>" if doubted else escape(text)


def _severity(alarm: AlarmRow) -> str:
    look = LOOKS["technical" if alarm.kind == "technical" else alarm.peak_severity or alarm.severity or ""]
    return f'<span style="color:{look.ink}"><span aria-hidden="true">{look.mark}</span> {look.word}</span>'


def _state(alarm: AlarmRow, zone: ZoneInfo, sees_identity: bool) -> str:
    if alarm.state == "acknowledged" and alarm.acknowledged_until is not None:
        by = f" by {alarm.acknowledged_by}" if sees_identity and alarm.acknowledged_by else ""
        return f"acknowledged{by} until {as_moment(alarm.acknowledged_until, zone)}"
    return alarm.state if alarm.end_reason is None else f"{alarm.state}: {alarm.end_reason}"
