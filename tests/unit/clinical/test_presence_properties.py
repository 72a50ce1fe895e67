"""Devices that fall silent: properties."""

from __future__ import annotations

from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from clinical.device import PROBED
from clinical.presence import Ending, Presence, Signal

T0 = 1_790_000_000
ATTRIBUTES = ("heart_rate", "spo2", "temperature", "systolic_bp")
PATIENTS = ("A", "B", "C")
CALM = settings(max_examples=60)
"""One example feeds up to an hour of readings."""

Reading = tuple[int, str, tuple[str, ...], tuple[str, ...]]
"""Second, patient, attributes whose values are believed, attributes whose values are not."""

Stretch = tuple[str, tuple[str, ...], int, int, int]
"""A patient, what its devices report, for how many seconds, every how many, and which of these have no contact:
none, each (1) or every other one (2)."""

ATTRIBUTE_SETS = st.lists(st.sampled_from(ATTRIBUTES), unique=True).map(tuple)
STRETCHES = st.lists(
    st.tuples(
        st.sampled_from(PATIENTS),
        ATTRIBUTE_SETS,
        st.integers(1, 400),
        st.integers(1, 12),
        st.sampled_from([0, 0, 1, 2]),
    ),
    max_size=8,
)


def readings(stretches: list[Stretch]) -> list[Reading]:
    """Each patient's stretches one after another, beside a patient who reports each second, in order of time."""
    ends = dict.fromkeys(PATIENTS, 0)
    made: list[Reading] = []
    for patient, attributes, length, every, loose in stretches:
        began = ends[patient]
        for number, second in enumerate(range(began, began + length, every)):
            unbelieved = tuple(name for name in attributes if loose and number % loose == 0 and name in PROBED)
            made.append((second, patient, tuple(name for name in attributes if name not in unbelieved), unbelieved))
        ends[patient] += length
    made += [(second, "beacon", ("heart_rate",), ()) for second in range(max(ends.values()) + 100)]
    return sorted(made)


def feed(presence: Presence, reading: Reading) -> None:
    second, patient, believed, unbelieved = reading
    presence.see(patient, believed, (T0 + second) * 1000)
    if unbelieved:
        presence.disbelieve(patient, unbelieved, (T0 + second) * 1000, 3)


def followed(made: list[Reading], looks: int = 0) -> tuple[Presence, set[Signal]]:
    """Everything seen in the given order; `looks`: how often it is looked at on the way."""
    presence = Presence((T0 + 10**6) * 1000)
    for place, reading in enumerate(made):
        feed(presence, reading)
        if looks and place % looks == 0:
            presence.changes((T0 + 10**6) * 1000)
    presence.changes((T0 + 10**6) * 1000)
    return presence, presence.silent()


@CALM
@given(STRETCHES, st.randoms(use_true_random=False))
def test_the_order_of_readings_does_not_matter_while_they_are_late_by_less_than_an_interval(
    stretches: list[Stretch], random: Random
) -> None:
    made = readings(stretches)
    shuffled = sorted(made, key=lambda reading: reading[0] + random.uniform(0, 10))
    assert followed(shuffled)[1] == followed(made)[1]


@CALM
@given(STRETCHES, st.integers(1, 50))
def test_it_does_not_matter_when_or_how_often_it_is_looked_at(stretches: list[Stretch], looks: int) -> None:
    made = readings(stretches)
    assert followed(made, looks)[1] == followed(made)[1]


@CALM
@given(STRETCHES, st.integers(1, 50))
def test_repeats_change_nothing(stretches: list[Stretch], looks: int) -> None:
    made = readings(stretches)
    assert followed([*made, *made], looks)[1] == followed(made)[1]


@CALM
@given(STRETCHES, st.integers(1, 100_000))
@example([("A", ("systolic_bp",), 3, 1, 0), ("A", (), 351, 1, 0)], 450)
@example([("A", ("temperature", "systolic_bp"), 3, 1, 0), ("A", (), 180, 1, 0), ("A", ("systolic_bp",), 1, 1, 0)], 81)
def test_a_pipeline_that_stops_raises_no_bed_then_or_when_it_goes_on(stretches: list[Stretch], pause: int) -> None:
    made = readings(stretches)
    presence, before = followed(made)
    end = made[-1][0]
    resumed = T0 + end + pause
    presence.see("beacon", ("heart_rate",), resumed * 1000)
    changes = presence.changes((T0 + 10**6) * 1000)
    if pause > 15:
        assert not changes.lost
    assert Ending.RETURNED not in changes.ended.values()
    assert all(signal in before for signal in changes.ended)


@CALM
@given(STRETCHES, st.integers(1, 20))
def test_changes_add_up_to_what_is_silent(stretches: list[Stretch], looks: int) -> None:
    presence = Presence((T0 + 10**6) * 1000)
    held: set[Signal] = set()
    for place, reading in enumerate(readings(stretches)):
        feed(presence, reading)
        if place % looks == 0:
            changes = presence.changes((T0 + 10**6) * 1000)
            assert not held & changes.lost.keys()
            assert held >= changes.ended.keys()
            held = (held - changes.ended.keys()) | changes.lost.keys()
            assert held == presence.silent()


@CALM
@given(STRETCHES)
def test_nobody_is_lost_as_a_patient_and_by_attributes(stretches: list[Stretch]) -> None:
    silent = followed(readings(stretches))[1]
    whole = {signal.patient_id for signal in silent if signal.attribute is None}
    assert not [signal for signal in silent if signal.attribute and signal.patient_id in whole]


@CALM
@given(STRETCHES, ATTRIBUTE_SETS.filter(len))
def test_a_device_that_reported_and_stopped_is_always_found(
    stretches: list[Stretch], attributes: tuple[str, ...]
) -> None:
    made = readings(stretches)
    end = made[-1][0]
    made += [(second, "D", attributes, ()) for second in range(end, end + 1200)]
    made += [(second, "beacon", ("heart_rate",), ()) for second in range(end, end + 1200 + 902)]
    assert Signal("D") in followed(sorted(made))[1]


@CALM
@given(STRETCHES, st.sampled_from(PROBED), st.integers(1, 10))
def test_a_device_that_never_had_contact_is_always_found(stretches: list[Stretch], attribute: str, every: int) -> None:
    made = readings(stretches)
    end = made[-1][0]
    made += [(second, "D", (), (attribute,)) for second in range(end, end + 200, every)]
    made += [(second, "beacon", ("heart_rate",), ()) for second in range(end, end + 200)]
    presence, silent = followed(sorted(made))
    assert Signal("D") in silent
    assert presence.unbelieved()["D"] == 3


@CALM
@given(STRETCHES)
def test_nothing_is_lost_before_thirty_seconds_without_it(stretches: list[Stretch]) -> None:
    presence = Presence((T0 + 10**6) * 1000)
    for reading in readings(stretches):
        feed(presence, reading)
        changes = presence.changes((T0 + 10**6) * 1000)
        assert all(since // 1000 <= T0 + reading[0] - 30 for since in changes.lost.values())


@CALM
@given(st.integers(1, 40))
def test_memory_does_not_grow_with_patients_who_are_gone(patients: int) -> None:
    presence = Presence((T0 + 10**7) * 1000)
    for number in range(patients):
        for second in range(3):
            presence.see(f"P{number}", ATTRIBUTES, (T0 + number * 50_000 + second) * 1000)
        presence.changes((T0 + 10**7) * 1000)
    assert len(presence._patients) == 1, "those of half a day ago are forgotten"
