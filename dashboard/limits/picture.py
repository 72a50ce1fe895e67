"""The bands of one attribute as a picture: an inline SVG. Pure; whatever comes from the table is escaped.

Severity is told by colour, shape and word, the side by a thick edge away from the normal band and by word.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from clinical.thresholds import ThresholdRow
from clinical.vitals import JUDGED
from dashboard.limits.lanes import Bar, Lane, Stretch, ages_in_words, amount, in_words

WIDTH, LEFT, RIGHT = 960, 150, 948
"""Of the picture, and where its axis begins and ends; in its own units, as everything here."""

HEAD, BAR_TOP, BAR_HEIGHT, LANE_HEIGHT, NOTE_HEIGHT = 26, 10, 40, 68, 17
EDGE = 5
LETTER = 7.3
"""Width of a letter, about."""

OUTSIDE = 0.12
"""How much of the axis an open end takes."""


@dataclass(frozen=True)
class Look:
    """How a band looks; `ink` has a contrast of 4.5 on `paper`."""

    shape: str
    word: str
    ink: str
    paper: str


LOOKS = {
    "high": Look("▲", "high", "#8f001a", "#fde3e7"),
    "medium": Look("◆", "medium", "#7a4200", "#fdeed7"),
    "low": Look("●", "low", "#0b4a82", "#e1edf8"),
}
NORMAL = Look("✓", "normal", "#155c32", "#dff2e6")
OFF = Look("○", "off", "#414c58", "#e7eaee")
SIDES = {"low": "too low", "high": "too high"}


def look_of(row: ThresholdRow) -> Look:
    """How a band is shown, in the picture and beside it."""
    if row.direction == "normal":
        return NORMAL
    return LOOKS.get(row.severity or "", OFF) if row.alert_flag else OFF


def label_of(row: ThresholdRow) -> str:
    """`▲ high, too low`; `✓ normal`."""
    look = look_of(row)
    side = SIDES.get(row.direction)
    return f"{look.shape} {look.word}" if side is None else f"{look.shape} {look.word}, {side}"


def picture(attribute: str, lanes: Sequence[Lane], name: str = "bands") -> str:
    """The SVG. `name` (letters) tells its patterns from those of other pictures on the same page."""
    axis = _Axis.around(lanes)
    parts: list[str] = []
    top = HEAD
    for lane in lanes:
        parts.extend(_lane(attribute, lane, axis, top, name))
        top += LANE_HEIGHT + NOTE_HEIGHT * len(_notes(attribute, lane))
    height = top + 4
    return (
        f'<svg class="ward-bands" role="img" aria-label="{escape(in_sentences(attribute, lanes))}" '
        f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" xmlns="http://www.w3.org/2000/svg" '
        'font-family="system-ui, sans-serif" font-size="12">'
        f'<defs><pattern id="{escape(name)}-overlap" width="8" height="8" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="8" height="8" fill="#fff" fill-opacity=".35"/>'
        '<rect width="4" height="8" fill="#b00020"/></pattern></defs>'
        f'<text x="{LEFT}" y="16" fill="#16202b" font-weight="700">{escape(_title(attribute))}</text>'
        f"{''.join(parts)}</svg>"
    )


def in_sentences(attribute: str, lanes: Sequence[Lane]) -> str:
    """The picture in words, for those who do not see it."""
    told = []
    for lane in lanes:
        bars = ", ".join(
            f"{in_words(attribute, Stretch(bar.low, bar.high))} {label_of(bar.row)[2:]}" for bar in lane.bars
        )
        notes = "".join(f" {note}." for note in _notes(attribute, lane))
        told.append(f"{ages_in_words(lane)}: {bars or 'no band'}.{notes}")
    return f"{_title(attribute)}. {' '.join(told)}"


def _title(attribute: str) -> str:
    vital = JUDGED.get(attribute)
    return attribute if vital is None else f"{vital.label} ({vital.unit})" if vital.unit else vital.label


@dataclass(frozen=True)
class _Axis:
    """Where a value stands; `low` and `high` in steps: the outermost limits."""

    low: float
    high: float

    @classmethod
    def around(cls, lanes: Sequence[Lane]) -> _Axis:
        edges = [edge for lane in lanes for bar in lane.bars for edge in (bar.low, bar.high + 1) if math.isfinite(edge)]
        low, high = min(edges, default=0.0), max(edges, default=1.0)
        return cls(low, max(high, low + 1))

    def at(self, steps: float) -> float:
        """The place of the lower edge of a value; the ends of the axis where it is infinite."""
        if not math.isfinite(steps):
            return LEFT if steps < 0 else RIGHT
        margin = (RIGHT - LEFT) * OUTSIDE
        share = (steps - self.low) / (self.high - self.low)
        return LEFT + margin + share * (RIGHT - LEFT - 2 * margin)

    def span(self, low: float, high: float) -> tuple[float, float]:
        """Where the values from `low` to `high` begin, and how wide they are."""
        begin = self.at(low)
        return begin, self.at(high + 1) - begin


def _lane(attribute: str, lane: Lane, axis: _Axis, top: float, name: str) -> Iterator[str]:
    middle = top + BAR_TOP + BAR_HEIGHT / 2
    yield f'<text x="4" y="{middle + 4:.1f}" fill="#16202b">{escape(ages_in_words(lane))}</text>'
    for bar in lane.bars:
        yield from _band(attribute, bar, axis, top + BAR_TOP)
    for stretch in lane.overlaps:
        x, width = axis.span(stretch.low, stretch.high)
        yield _rect(
            x, top + BAR_TOP - 4, width, BAR_HEIGHT + 8, f'fill="url(#{escape(name)}-overlap)" class="ward-overlap"'
        )
    for stretch in lane.holes:
        x, width = axis.span(stretch.low, stretch.high)
        shape = 'fill="#fff" stroke="#b00020" stroke-width="2" stroke-dasharray="5 3" class="ward-hole"'
        yield _rect(x, top + BAR_TOP, width, BAR_HEIGHT, shape)
        yield _text(x + width / 2, middle + 5, "✕", "#b00020", 'text-anchor="middle" font-weight="700"')
    yield from _scale(attribute, lane, axis, top + BAR_TOP + BAR_HEIGHT + 14)
    for number, note in enumerate(_notes(attribute, lane)):
        yield _text(LEFT, top + LANE_HEIGHT + 10 + number * NOTE_HEIGHT, f"✕ {note}", "#8f001a", 'font-weight="700"')


def _band(attribute: str, bar: Bar, axis: _Axis, top: float) -> Iterator[str]:
    look = look_of(bar.row)
    x, width = axis.span(bar.low, bar.high)
    words = in_words(attribute, Stretch(bar.low, bar.high))
    yield f"<g><title>{escape(f'{bar.row.row_key}: {words}, {label_of(bar.row)[2:]}. {bar.row.alert_message}')}</title>"
    dashes = ' stroke-dasharray="3 3"' if look is OFF else ""
    yield _rect(x + 0.5, top, max(width - 1, 1), BAR_HEIGHT, f'fill="{look.paper}" stroke="{look.ink}"{dashes}')
    if bar.row.direction != "normal" and width > 2 * EDGE:
        outer = x + 0.5 if bar.row.direction == "low" else x + width - 0.5 - EDGE
        yield _rect(outer, top, EDGE, BAR_HEIGHT, f'fill="{look.ink}"')
    room = int((width - 2 * EDGE - 4) / LETTER)
    label = label_of(bar.row)
    first = next((text for text in (label, label.partition(",")[0], look.shape) if len(text) <= room), "")
    second = words if first != look.shape and len(words) <= room else ""
    middle = x + width / 2
    yield _text(middle, top + (17 if second else 25), first, look.ink, 'text-anchor="middle" font-weight="700"')
    yield _text(middle, top + 33, second, look.ink, 'text-anchor="middle"')
    yield "</g>"


def _scale(attribute: str, lane: Lane, axis: _Axis, y: float) -> Iterator[str]:
    """The limits under the edges of the bands, as far as they do not meet."""
    last = -math.inf
    for steps in sorted({bar.low for bar in lane.bars if math.isfinite(bar.low)}):
        text, x = amount(attribute, steps), axis.at(steps)
        if x - last > LETTER * (len(text) + 1):
            yield _text(x, y, text, "#414c58", 'text-anchor="middle"')
            last = x


def _notes(attribute: str, lane: Lane) -> list[str]:
    overlaps = [f"overlap: {in_words(attribute, one)} in {' and '.join(one.row_keys)}" for one in lane.overlaps]
    return overlaps + [f"hole: {in_words(attribute, one)} in no band" for one in lane.holes]


def _rect(x: float, y: float, width: float, height: float, rest: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" {rest}/>'


def _text(x: float, y: float, text: str, ink: str, rest: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{ink}" {rest}>{escape(text)}</text>' if text else ""
