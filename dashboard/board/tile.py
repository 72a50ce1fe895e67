"""The HTML of a tile, in parts that change one by one. Pure; whatever comes from elsewhere is escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

from alerts.alarms_table import AlarmRow
from alerts.bedside import ALERTNESS, ON_OXYGEN, rounded
from alerts.wording import clock_text
from clinical.vitals import CONSCIOUSNESS, VITALS
from dashboard.board.bed import LOOKS, NEWS2_HIGH, NEWS2_MEDIUM, Bed, Rank
from dashboard.frame import as_age
from dashboard.live.patient import KEPT_MS, PatientNow, Score
from dashboard.live.series import Series
from dashboard.live.state import lost_signal

SHAPES = {"high": "▲", "medium": "◆", "low": "●", "technical": "■"}
ALARMS_SHOWN = 3
AGED_MS = 120_000
"""A value that is older says how old it is."""

ALTERED = {"C": "new confusion", "V": "responds to voice", "P": "responds to pain", "U": "unresponsive"}
"""States of consciousness that a tile shows: all but alert."""

NEWS2_MAX_AGE_MS = 300_000
WIDTH, HEIGHT = 76, 20
KEPT_MINUTES = KEPT_MS // 60_000


class Cell(NamedTuple):
    """A place of the grid: its name on the screen, the attributes it shows, and the least range (in the unit) of its
    trend line, so that noise does not look like a change."""

    name: str
    attributes: tuple[str, ...]
    least_range: float


CELLS = (
    Cell("HR", ("heart_rate",), 12),
    Cell("SpO₂", ("spo2",), 4),
    Cell("Resp.", ("respiratory_rate",), 6),
    Cell("BP", ("systolic_bp", "diastolic_bp"), 20),
    Cell("Temp.", ("temperature",), 1),
    Cell("Gluc.", ("glucose",), 20),
)


def head_html(bed: Bed, sees_identity: bool) -> str:
    """Who lies there, and in which ward: the name only for those who may see it."""
    name = bed.contact.name if bed.contact and sees_identity else ""
    identity = escape(bed.patient_id)
    quiet = f' <span class="ward-id">{identity}</span>' if name else ""
    link = f'<a href="/patients/{quote(bed.patient_id, safe="")}">{escape(name) or identity}</a>'
    return f'<h2>{link}{quiet}</h2><span class="ward-place">{escape(bed.ward)}</span>'


def looks(bed: Bed) -> str:
    """The classes of the tile."""
    acknowledged = bed.rank in (Rank.HIGH_ACKNOWLEDGED, Rank.MEDIUM_ACKNOWLEDGED)
    dim = " ward-dim" if bed.no_signal_since is not None else ""
    return f"ward-tile ward-t-{LOOKS.get(bed.rank, 'plain')}{' ward-t-acknowledged' if acknowledged else ''}{dim}"


def state_html(bed: Bed, quality: float | None, sees_identity: bool, now: int, zone: ZoneInfo) -> str:
    """Its alarms and whether there is a signal, in words, each with its shape. `quality`: see `PatientNow`."""
    lines = []
    if bed.no_signal_since is not None:
        since = (
            f"since {clock_text(bed.no_signal_since, now, zone)}"
            if bed.no_signal_since
            else ("" if quality is not None else f"for more than {KEPT_MINUTES} min")
        )
        lines.append(f'<p class="ward-nosignal"><span aria-hidden="true">✕</span> NO SIGNAL {escape(since)}</p>')
    shown = [alarm for alarm in bed.alarms if lost_signal(alarm) is None]
    lines += [_alarm(alarm, sees_identity, now, zone) for alarm in shown[:ALARMS_SHOWN]]
    if len(shown) > ALARMS_SHOWN:
        lines.append(f'<p class="ward-more">and {len(shown) - ALARMS_SHOWN} more</p>')
    if quality is not None:
        lines.append(_line("technical", f"signal quality {quality:.0f} %: values not believed", ""))
    lines += [
        _line("technical", f"{VITALS[name].label}: no value since {clock_text(at, now, zone)}", "")
        for name, at in bed.standing.lost.items()
        if bed.no_signal_since is None
    ]
    if not bed.alarms_known:
        lines.append('<p class="ward-more">? alarms cannot be read</p>')
    elif bed.rank == Rank.SINGLE and not lines:
        lines.append('<p class="ward-more">single readings, no monitor; no alarm</p>')
    elif not lines:
        lines.append('<p class="ward-a ward-a-fine"><span aria-hidden="true">✓</span> no alarm</p>')
    return "".join(lines)


def _alarm(alarm: AlarmRow, sees_identity: bool, now: int, zone: ZoneInfo) -> str:
    if alarm.kind == "technical":
        return _line("technical", (alarm.technical_kind or "").replace("_", " "), "")
    acknowledged = ""
    if alarm.state == "acknowledged":
        until = f" until {clock_text(alarm.acknowledged_until, now, zone)}" if alarm.acknowledged_until else ""
        by = f" by {alarm.acknowledged_by}" if alarm.acknowledged_by and sees_identity else ""
        acknowledged = f"acknowledged{until}{by}"
    return _line(alarm.severity_shown, alarm.what, acknowledged)


def _line(severity: str, text: str, acknowledged: str) -> str:
    known = severity if severity in SHAPES else "technical"
    extra = f' <span class="ward-ack">✓ {escape(acknowledged)}</span>' if acknowledged else ""
    return (
        f'<p class="ward-a ward-a-{known}"><span aria-hidden="true">{SHAPES[known]}</span> '
        f"<b>{known.upper()}</b> {escape(text)}{extra}</p>"
    )


def severities(bed: Bed) -> dict[str, str]:
    """Attribute -> the severity of its alarm."""
    found: dict[str, str] = {}
    for alarm in bed.alarms:
        if alarm.kind != "technical" and alarm.attribute:
            found.setdefault(alarm.attribute, alarm.severity_shown)
    return found


def cell_html(cell: Cell, all_series: Sequence[Series | None], severity: str, is_lost: bool, age_ms: int) -> str:
    """One vital: its newest value, its unit, and the trend of its last values. `age_ms`: of the newest value."""
    unit = VITALS[cell.attributes[0]].unit
    label = " and ".join(VITALS[name].label.lower() for name in cell.attributes)
    known = [series for series in all_series if series is not None]
    head = f'<span class="ward-l" title="{escape(label)}">{cell.name} <small>{escape(unit)}</small></span>'
    if not known:
        return f'{head}<span class="ward-v ward-quiet">–</span>'
    written = "/".join(
        _written(name, series) if series is not None else "–"
        for name, series in zip(cell.attributes, all_series, strict=True)
    )
    mark = f'<span class="ward-m" aria-hidden="true">{SHAPES[severity]}</span>' if severity in SHAPES else ""
    note = ""
    if is_lost:
        note = '<span class="ward-o ward-lost">NO VALUE</span>'
    elif age_ms > AGED_MS:
        note = f'<span class="ward-o">{as_age(age_ms / 1000)} ago</span>'
    is_old = is_lost or age_ms > KEPT_MS
    look = f"ward-v ward-v-{severity}" if severity in SHAPES else "ward-v ward-quiet" if is_old else "ward-v"
    trend = trend_svg(known[0].values, cell.least_range)
    return f'{head}<span class="{look}">{mark}{written}</span>{trend}{note}'


def _written(attribute: str, series: Series) -> str:
    return f"{rounded(attribute, series.newest()):.{VITALS[attribute].scale}f}"


def trend_svg(values: Sequence[float], least_range: float) -> str:
    """The last values as a line, the newest at the right; nothing for a single one."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    spread = max(high - low, least_range)
    bottom = (low + high - spread) / 2
    factor = (HEIGHT - 2) / spread
    step = WIDTH // 19
    first = WIDTH - step * (len(values) - 1)
    points = " ".join(
        f"{first + step * place},{HEIGHT - 1 - round((value - bottom) * factor)}" for place, value in enumerate(values)
    )
    line = f'<polyline points="{points}"/>'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">{line}</svg>'


def score_html(score: Score | None, now: int) -> str:
    """NEWS2, marked when it is partial or old."""
    if score is None:
        return '<span class="ward-l">NEWS2</span> <b>–</b>'
    severity = "high" if score.value >= NEWS2_HIGH else "medium" if score.value >= NEWS2_MEDIUM else ""
    shape = f'<span aria-hidden="true">{SHAPES[severity]}</span>' if severity else ""
    value = f"{'≥ ' if score.partial else ''}{score.value}"
    notes = ["partial"] if score.partial else []
    if (age := now - score.at) > NEWS2_MAX_AGE_MS:
        notes.append(f"{as_age(age / 1000)} ago")
    note = f' <span class="ward-partial">{", ".join(notes)}</span>' if notes else ""
    return f'<span class="ward-l">NEWS2</span> <b class="ward-n ward-n-{severity}">{shape}{value}</b>{note}'


def observed_html(observed: Mapping[str, Series], now: int) -> str:
    """That the patient is on oxygen, and is not alert, in letters that say what they mean; nothing when neither is."""
    shown = []
    oxygen, alertness = observed.get(ON_OXYGEN), observed.get(ALERTNESS)
    if oxygen is not None and oxygen.newest():
        shown.append(_observation("O₂", "on oxygen", "", now - oxygen.times[-1]))
    if alertness is not None and (state := CONSCIOUSNESS[int(alertness.newest())]) in ALTERED:
        letter = _observation(state, ALTERED[state], " ward-obs-altered", now - alertness.times[-1])
        shown.append(f'<span class="ward-l">ACVPU</span> {letter}')
    return "".join(f" {one}" for one in shown)


def _observation(letters: str, meaning: str, look: str, age_ms: int) -> str:
    note = f' <span class="ward-partial">{as_age(age_ms / 1000)} ago</span>' if age_ms > AGED_MS else ""
    return f'<abbr class="ward-obs{look}" title="{meaning}">{letters}</abbr>{note}'


def seen_text(patient: PatientNow | None) -> str:
    """When the last reading was inserted, epoch ms as text, from which the page counts; empty: it is not known."""
    return "" if patient is None or patient.last_at is None else str(patient.last_at)
