"""The bands of an attribute along the value axis: overlaps, holes, lanes of ages, and text that is only text."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from clinical.thresholds import ThresholdRow, read_table
from clinical.vitals import JUDGED
from dashboard.limits.lanes import OPEN, Stretch, ages_in_words, amount, in_words, lanes_of
from dashboard.limits.picture import in_sentences, label_of, look_of, picture
from tests.unit.dashboard.threshold_tables import default_cells

ROWS = read_table(default_cells())[0]
SVG = "{http://www.w3.org/2000/svg}"


def adults(attribute: str = "spo2", **limits: tuple[str, object]) -> list[ThresholdRow]:
    """The rows of adults; `key_number=(field, value)` changes one."""
    rows = [row for row in ROWS if row.attribute == attribute and row.low_age == 16]
    rows = [replace(row, low_age=Decimal(0)) for row in rows]
    for name, (field, value) in limits.items():
        key = f"{attribute}#{name.removeprefix('row')}"
        rows = [replace(row, **{field: value}) if row.row_key == key else row for row in rows]  # type: ignore[arg-type]
    return rows


def drawn(rows: list[ThresholdRow], attribute: str = "spo2") -> ElementTree.Element:
    return ElementTree.fromstring(picture(attribute, lanes_of(rows)))


def of_class(svg: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [one for one in svg.iter(f"{SVG}rect") if one.get("class") == name]


@pytest.mark.parametrize("attribute", sorted({row.attribute for row in ROWS}))
def test_the_default_table_has_neither_overlap_nor_hole(attribute: str) -> None:
    lanes = lanes_of([row for row in ROWS if row.attribute == attribute])
    assert all(lane.is_right and lane.bars for lane in lanes)
    assert lanes[0].low_age == 0
    assert lanes[-1].high_age is None
    svg = ElementTree.fromstring(picture(attribute, lanes))
    assert not of_class(svg, "ward-overlap")
    assert not of_class(svg, "ward-hole")
    assert len(svg.findall(f"{SVG}g")) == sum(len(lane.bars) for lane in lanes)


def test_each_age_group_is_a_lane() -> None:
    lanes = lanes_of([row for row in ROWS if row.attribute == "spo2"])
    assert [ages_in_words(lane) for lane in lanes] == ["0 to below 16 years", "from 16 years"]


def test_ages_at_which_nobody_is_judged_are_a_lane_that_is_one_hole() -> None:
    rows = [replace(row, low_age=Decimal(16)) for row in adults()]
    first, second = lanes_of(rows)
    assert (first.bars, first.holes) == ((), (Stretch(-OPEN, OPEN),))
    assert second.is_right
    assert "0 to below 16 years: no band. hole: all values in no band." in in_sentences("spo2", [first, second])


def test_bands_that_share_values_overlap_there_and_are_hatched_there() -> None:
    rows = adults(row005=("low_value", Decimal(90)))
    (lane,) = lanes_of(rows)
    assert lane.overlaps == (Stretch(90, 91, ("spo2#004", "spo2#005")),)
    assert lane.holes == ()
    svg = drawn(rows)
    (hatched,) = of_class(svg, "ward-overlap")
    assert hatched.get("fill") == "url(#bands-overlap)"
    assert "✕ overlap: 90 to 91 in spo2#004 and spo2#005" in [text.text for text in svg.iter(f"{SVG}text")]
    assert "overlap: 90 to 91" in svg.get("aria-label", "")


def test_values_that_no_band_holds_are_marked_as_a_hole() -> None:
    rows = adults(row004=("high_value", Decimal(89)))
    (lane,) = lanes_of(rows)
    assert lane.holes == (Stretch(90, 91),)
    svg = drawn(rows)
    assert len(of_class(svg, "ward-hole")) == 1
    assert "✕ hole: 90 to 91 in no band" in [text.text for text in svg.iter(f"{SVG}text")]


def test_an_end_that_is_not_open_leaves_a_hole_beyond_it() -> None:
    (lane,) = lanes_of(adults(row004=("low_value", Decimal(50))))
    assert lane.holes == (Stretch(-OPEN, 49),)
    assert in_words("spo2", lane.holes[0]) == "up to 49"


def test_a_limit_finer_than_the_resolution_and_one_the_wrong_way_round_are_drawn_nevertheless() -> None:
    assert drawn(adults(row004=("high_value", Decimal("91.5")))) is not None
    (lane,) = lanes_of(adults(row005=("low_value", Decimal(99))))
    assert "spo2#005" not in [bar.row.row_key for bar in lane.bars]
    assert lane.holes == (Stretch(92, 93),)


def test_no_row_at_all_is_a_picture_too() -> None:
    assert len(of_class(drawn([]), "ward-hole")) == 1


def test_values_are_told_on_the_grid_of_the_attribute() -> None:
    assert amount("temperature", 385) == "38.5"
    assert amount("spo2", 92) == "92"
    assert amount("spo2", 91.5) == "91.5"
    assert in_words("glucose", Stretch(700, 700)) == "70.0"
    assert in_words("heart_rate", Stretch(131, OPEN)) == "131 and more"


def test_texts_from_the_table_are_text() -> None:
    message = '<script>alert(1)</script>"&'
    markup = picture("spo2", lanes_of(adults(row004=("alert_message", message), row005=("low_value", Decimal(90)))))
    assert "<script" not in markup
    svg = ElementTree.fromstring(markup)
    assert any(message in (title.text or "") for title in svg.iter(f"{SVG}title"))
    strange = [replace(row, attribute="<b>x", row_key="<b>x#001") for row in adults()]
    assert "<b>" not in picture("<b>x", lanes_of(strange), name="a")


def test_severity_is_told_by_shape_and_word_and_a_band_that_is_off_says_so() -> None:
    labels = {row.row_key: label_of(row) for row in adults()}
    assert labels == {
        "spo2#004": "▲ high, too low",
        "spo2#005": "◆ medium, too low",
        "spo2#006": "● low, too low",
        "spo2#007": "✓ normal",
    }
    (off,) = [row for row in adults(row004=("alert_flag", False)) if row.row_key == "spo2#004"]
    assert label_of(off) == "○ off, too low"


def test_texts_of_bands_can_be_read_on_their_colour() -> None:
    for row in ROWS:
        look = look_of(row)
        assert contrast(look.ink, look.paper) >= 4.5


def contrast(one: str, other: str) -> float:
    lights = sorted(map(luminance, (one, other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour: str) -> float:
    """By WCAG 2.1."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_every_judged_attribute_has_a_title() -> None:
    for attribute in JUDGED:
        assert JUDGED[attribute].label in picture(attribute, lanes_of([]))
