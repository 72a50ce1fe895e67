"""NEWS2 against its published table (Royal College of Physicians, 2017), written down here once more by hand."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.news2 import INPUTS, Risk, Score, applies, score
from clinical.vitals import CONSCIOUSNESS

WELL = {
    "respiratory_rate": Decimal(16),
    "spo2": Decimal(98),
    "systolic_bp": Decimal(120),
    "heart_rate": Decimal(80),
    "temperature": Decimal(37),
}
PUBLISHED = {
    "respiratory_rate": [("0-8", 3), ("9-11", 1), ("12-20", 0), ("21-24", 2), ("25-120", 3)],
    "spo2": [("0-91", 3), ("92-93", 2), ("94-95", 1), ("96-100", 0)],
    "systolic_bp": [("0-90", 3), ("91-100", 2), ("101-110", 1), ("111-219", 0), ("220-350", 3)],
    "heart_rate": [("0-40", 3), ("41-50", 1), ("51-90", 0), ("91-110", 1), ("111-130", 2), ("131-350", 3)],
    "temperature": [("20.0-35.0", 3), ("35.1-36.0", 1), ("36.1-38.0", 0), ("38.1-39.0", 1), ("39.1-46.0", 2)],
}
SCALE_2_ON_AIR = [("0-83", 3), ("84-85", 2), ("86-87", 1), ("88-100", 0)]
SCALE_2_ON_OXYGEN = [("0-83", 3), ("84-85", 2), ("86-87", 1), ("88-92", 0), ("93-94", 1), ("95-96", 2), ("97-100", 3)]


def every_value(bands: list[tuple[str, int]]) -> list[tuple[Decimal, int]]:
    """Each value at the resolution of the table's figures, with its points."""
    found = []
    for limits, points in bands:
        low, high = map(Decimal, limits.split("-"))
        step = Decimal(1).scaleb(int(low.as_tuple().exponent))
        found += [(low + number * step, points) for number in range(int((high - low) / step) + 1)]
    return found


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_value_of_a_vital_scores_as_published(name: str) -> None:
    for value, points in every_value(PUBLISHED[name]):
        assert score({name: value}) == Score(points, 1, points), value


@pytest.mark.parametrize(("bands", "on_oxygen"), [(SCALE_2_ON_AIR, False), (SCALE_2_ON_OXYGEN, True)])
def test_scale_2_scores_as_published_on_air_and_on_oxygen(bands: list[tuple[str, int]], on_oxygen: bool) -> None:
    for value, points in every_value(bands):
        assert score({"spo2": value}, on_oxygen, spo2_scale=2).total == points + 2 * on_oxygen, value


def test_without_knowing_of_oxygen_scale_2_scores_only_what_is_the_same_either_way() -> None:
    for (value, air), (_, oxygen) in zip(every_value(SCALE_2_ON_AIR), every_value(SCALE_2_ON_OXYGEN), strict=True):
        found = score({"spo2": value}, spo2_scale=2)
        assert found == (Score(air, 1, air) if value <= 92 else Score(0, 0, 0)), value
        assert found.used == 0 or air == oxygen


def test_anything_but_alert_scores_three_and_oxygen_two() -> None:
    assert {state: score({}, None, state).total for state in CONSCIOUSNESS} == {"A": 0, "C": 3, "V": 3, "P": 3, "U": 3}
    assert score({}, True) == Score(2, 1, 2)
    assert score({}, False) == Score(0, 1, 0)


def test_the_examples_score_as_they_say() -> None:
    with (Path(__file__).parent / "news2_examples.csv").open(newline="", encoding="utf-8") as file:
        examples = list(csv.DictReader(file))
    assert len(examples) == 9
    for line in examples:
        vitals = {name: Decimal(line[name]) for name in WELL}
        found = score(vitals, line["on_oxygen"] == "y", line["consciousness"], int(line["spo2_scale"]))
        assert (found.total, found.risk.value, found.is_partial) == (int(line["news2"]), line["risk"], False), line


def test_a_value_is_rounded_half_up_before_it_is_scored() -> None:
    assert score({"heart_rate": Decimal("90.5")}).total == 1
    assert score({"heart_rate": Decimal("90.499")}).total == 0
    assert score({"temperature": Decimal("38.05")}).total == 1


@pytest.mark.parametrize(
    ("total", "worst", "risk"),
    [
        (0, 0, "low"),
        (4, 2, "low"),
        (3, 3, "low-medium"),
        (4, 3, "low-medium"),
        (5, 2, "medium"),
        (6, 3, "medium"),
        (7, 3, "high"),
        (20, 3, "high"),
    ],
)
def test_the_risk_follows_from_the_total_and_the_worst_input(total: int, worst: int, risk: str) -> None:
    assert Score(total, 7, worst).risk == Risk(risk)


@given(st.sets(st.sampled_from(INPUTS)), st.booleans(), st.sampled_from(CONSCIOUSNESS))
def test_what_is_missing_makes_the_score_partial_and_never_higher(
    missing: set[str], on_oxygen: bool, consciousness: str
) -> None:
    whole = score(WELL, on_oxygen, consciousness)
    part = score(
        {name: value for name, value in WELL.items() if name not in missing},
        None if "on_oxygen" in missing else on_oxygen,
        None if "consciousness" in missing else consciousness,
    )
    assert not whole.is_partial
    assert part.used == len(INPUTS) - len(missing)
    assert part.is_partial == bool(missing)
    assert part.total <= whole.total


def test_children_and_the_pregnant_have_no_score_and_an_unknown_age_is_an_adult() -> None:
    assert [applies(age, None) for age in (None, 15.999, 16.0, 90.0)] == [True, False, True, True]
    assert not applies(30.0, pregnant=True)
    assert applies(30.0, pregnant=False)
