"""The simulated ward: seeded, unremarkable when undisturbed, and with episodes whose truth holds."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from clinical.ages import age_years
from clinical.thresholds import ThresholdRow, judge, read_table
from clinical.vitals import CONSCIOUSNESS, VITALS
from hbase.files import DEFAULT_TABLE, keyed, read_csv
from infra.errors import ConfigurationError
from infra.settings import PROJECT_ROOT
from producers.simulator.episodes import KINDS, Order
from producers.simulator.profiles import NORMALS, WARDS, Patient, admit
from producers.simulator.ward import Arrival, Reading, Ward
from producers.simulator.writer import ward_length

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def default_thresholds() -> list[ThresholdRow]:
    rows, problems = read_table(keyed(read_csv(DEFAULT_TABLE)))
    assert not problems
    return rows


THRESHOLDS = default_thresholds()
ROWS = {attribute: [row for row in THRESHOLDS if row.attribute == attribute] for attribute in VITALS}


def arrivals(ward: Ward, seconds: float) -> list[Arrival]:
    """Everything that arrives within the first `seconds`."""
    flat = (arrival for tick in ward.ticks() for arrival in tick.arrivals)
    return list(itertools.takewhile(lambda arrival: arrival.at < seconds, flat))


def severity(patient: Patient, attribute: str, value: float) -> str:
    row = judge(ROWS[attribute], attribute, Decimal(str(value)), age_years(START.date(), patient.date_of_birth))
    assert row is not None
    return row.severity or "normal"


def there(value: int | None) -> int:
    """A value that a reading must have."""
    assert value is not None
    return value


def of(patient: Patient, readings: list[Arrival]) -> list[Arrival]:
    return [arrival for arrival in readings if arrival.reading.patient_id == patient.patient_id]


def play(order: str, *, patients: int = 15, seed: int = 3) -> tuple[Ward, Patient, list[Arrival], float, float]:
    """A ward with one episode: ward, patient, that patient's arrivals, and when the episode begins and ends."""
    ward = Ward(seed, patients, start=START, orders=[Order.parse(order)], episode_every=None)
    begun, seen = [], []
    for tick in ward.ticks():
        begun += tick.begun
        seen += tick.arrivals
        if begun and tick.arrivals[-1].at > begun[0].end + 30:
            break
    patient = ward.patients[begun[0].patient]
    return ward, patient, of(patient, seen), begun[0].start, begun[0].end


def test_equal_seeds_and_starts_give_equal_rows_and_episodes() -> None:
    def life(seed: int) -> tuple[list[object], list[object]]:
        ward = Ward(seed, 20, start=START, orders=[Order.parse("motion@3")], episode_every=10)
        ticks = list(itertools.islice(ward.ticks(), 120))
        return [tick.arrivals for tick in ticks], [
            (episode.kind.name, episode.patient, episode.start, episode.end, dict(episode.shape))
            for tick in ticks
            for episode in tick.begun
        ]

    assert life(5) == life(5)
    assert life(5)[0] != life(6)[0]
    assert life(5)[1] != life(6)[1]


def test_a_patient_is_the_same_on_a_small_and_on_a_large_ward() -> None:
    assert admit(4, 60, START)[:10] == admit(4, 10, START)


def test_the_default_ward_has_all_wards_ages_and_profiles() -> None:
    patients = admit(1, 60, START)
    assert {patient.ward for patient in patients} == set(WARDS)
    assert {patient.age_band for patient in patients} == set(NORMALS)
    assert {"diabetic", "athlete", "party_goer", "low_glucose", "elderly"} <= {patient.profile for patient in patients}


def test_contacts_hold_what_makes_imports_stumble() -> None:
    patients = admit(1, 60, START)
    assert any(not patient.name.isascii() for patient in patients)
    assert any("," in patient.name or "'" in patient.name for patient in patients)
    assert any(patient.address and "\n" in patient.address for patient in patients)
    assert {None, ""} <= {patient.phone for patient in patients}
    assert None in {patient.address for patient in patients}


@pytest.mark.parametrize("seed", [1, 2])
def test_an_undisturbed_ward_stays_within_normal_limits(seed: int) -> None:
    ward = Ward(seed, 60, start=START, episode_every=None)
    by_id = {patient.patient_id: patient for patient in ward.patients}
    judged = Counter(
        severity(by_id[arrival.reading.patient_id], attribute, getattr(arrival.reading, attribute))
        for arrival in arrivals(ward, 60)
        for attribute in VITALS
    )
    assert judged["high"] == judged["medium"] == 0
    assert judged["low"] <= 0.001 * judged["normal"]


def test_readings_wander_slowly_around_the_patients_own_baseline() -> None:
    ward = Ward(1, 6, start=START, episode_every=None)
    patient = ward.patients[3]
    rates = [there(arrival.reading.heart_rate) for arrival in of(patient, arrivals(ward, 1200))]
    assert abs(statistics.mean(rates) - patient.baseline[0]) < patient.spread[0]
    assert statistics.correlation(rates[:-1], rates[1:]) > 0.7


def test_the_rate_spreads_the_patients_evenly_over_time() -> None:
    ward = Ward(1, 60, start=START, rate=6, episode_every=None)
    times = [arrival.at for arrival in arrivals(ward, 30)]
    assert len(times) == 180
    assert times == sorted(times)
    assert max(b - a for a, b in itertools.pairwise(times)) == pytest.approx(1 / 6)


@pytest.mark.parametrize("patient", [f"P{number:04d}" for number in (1, 2, 3, 6, 9, 12, 15)])
@pytest.mark.parametrize("kind", ["bradycardia", "desaturation", "sepsis", "hypoglycaemia", "fever"])
def test_a_deterioration_reaches_the_severity_that_its_truth_says(kind: str, patient: str) -> None:
    ward, who, seen, start, end = play(f"{kind}:{patient}@2")
    episode_kind = KINDS[kind]
    held = [a for a in seen if start + episode_kind.ramp <= a.at <= end - episode_kind.ramp]
    before = [a for a in seen if a.at < start]
    assert held
    assert before
    for attribute, target in episode_kind.targets[who.age_band].items():
        assert {severity(who, attribute, getattr(a.reading, attribute)) for a in held} == {target.severity}, attribute
        assert severity(who, attribute, getattr(before[0].reading, attribute)) in ("normal", "low")
    assert ward.patients.index(who) == int(patient[1:]) - 1


def test_an_infant_with_fever_is_found_without_being_named() -> None:
    _, who, _, _, _ = play("fever@1")
    assert who.age_band in ("neonate", "infant")


def test_a_bradycardia_alarms_within_seconds() -> None:
    _, who, seen, start, _ = play("bradycardia@5")
    first = next(a.at for a in seen if severity(who, "heart_rate", there(a.reading.heart_rate)) == "high")
    assert start < first < start + 10


def test_sepsis_brings_new_confusion_in_an_adult() -> None:
    _, _, seen, _, _ = play("sepsis:P0001@1")
    assert {a.reading.consciousness for a in seen} == {"A", "C"} <= set(CONSCIOUSNESS)


@pytest.mark.parametrize("seed", range(6))
def test_a_probe_that_is_off_gives_null_or_zero_while_the_rest_goes_on(seed: int) -> None:
    _, _, seen, start, end = play("probe_off@5", seed=seed)
    off = {(a.reading.spo2, a.reading.heart_rate) for a in seen if start <= a.at < end}
    assert off in ({(None, None)}, {(0, 0)})
    assert all(a.reading.respiratory_rate for a in seen)
    assert all(a.reading.spo2 for a in seen if not start <= a.at < end)


def test_both_ways_of_a_probe_being_off_occur() -> None:
    modes = {play("probe_off@5", seed=seed)[2][10].reading.spo2 for seed in range(8)}
    assert modes == {None, 0}


def test_motion_gives_short_spikes_and_not_a_lasting_change() -> None:
    _, who, seen, start, end = play("motion@5")
    during = [a.reading.heart_rate for a in seen if start <= a.at < end]
    spikes = [rate for rate in during if rate is not None and rate > 1.3 * who.baseline[0]]
    assert 2 <= len(spikes) < len(during) / 2


def test_a_device_without_network_delivers_all_its_rows_late_and_none_twice() -> None:
    _, _, seen, start, end = play("late@5")
    ward = Ward(3, 15, start=START, episode_every=None)
    recorded = [a.reading.recorded_at for a in seen]
    assert sorted(recorded) == [ward.at(second).strftime("%Y-%m-%d %H:%M:%S.000") for second in range(len(seen))]
    late = [a for a in seen if a.at - (datetime.fromisoformat(a.reading.recorded_at + "Z") - START).total_seconds() > 1]
    assert len(late) == pytest.approx(end - start, abs=2)


def test_rows_that_are_still_held_back_are_handed_over_at_the_end() -> None:
    ward = Ward(3, 15, start=START, orders=[Order.parse("late:P0001@5")], episode_every=None)
    arrivals(ward, 20)
    held = ward.held()
    assert {reading.patient_id for reading in held} == {"P0001"}
    assert len(held) in (15, 16)
    assert ward.held() == []


def test_a_device_that_repeats_itself_sends_each_row_twice() -> None:
    _, _, seen, start, end = play("duplicate@5")
    times = Counter(a.reading.recorded_at for a in seen)
    assert set(times.values()) == {1, 2}
    assert sum(1 for n in times.values() if n == 2) == pytest.approx(end - start, abs=1)


def test_a_device_tells_of_good_contact_and_of_a_charge_that_falls_and_is_made_up_for() -> None:
    ward = Ward(1, 15, start=START, rate=1 / 120, episode_every=None)
    seen = list(itertools.islice(ward.ticks(), 40))
    readings = [
        a.reading for tick in seen for a in tick.arrivals if a.reading.patient_id == ward.patients[0].patient_id
    ]
    assert all(95 <= there(reading.signal_quality) <= 100 for reading in readings)
    charges = [there(reading.battery_percent) for reading in readings]
    assert min(charges) < 50 < max(charges)
    assert any(a < b for a, b in itertools.pairwise(charges))


def test_a_probe_that_is_off_says_so_and_one_that_is_shaken_keeps_its_contact() -> None:
    for order, expected in (("probe_off@5", {0}), ("motion@5", {55})):
        _, _, seen, start, end = play(order)
        during = {a.reading.signal_quality for a in seen if start <= a.at < end}
        assert {quality for quality in during if quality < 95} == expected


def test_a_battery_that_is_ordered_low_is_low() -> None:
    _, _, seen, start, end = play("battery-low@5")
    assert {a.reading.battery_percent for a in seen if start <= a.at < end} == {8}


def test_random_episodes_come_at_their_pace_and_one_at_a_time_for_a_patient() -> None:
    ward = Ward(1, 60, start=START, rate=1, episode_every=20)
    begun = [episode for tick in itertools.islice(ward.ticks(), 60) for episode in tick.begun]
    assert 3600 / 20 * 0.7 < len(begun) < 3600 / 20 * 1.3
    assert {episode.kind.name for episode in begun} == {kind.name for kind in KINDS.values() if kind.weight}
    for patient in range(60):
        own = [episode for episode in begun if episode.patient == patient]
        assert all(a.end <= b.start for a, b in itertools.pairwise(own))


def test_artefacts_expect_no_alarm() -> None:
    for name in ("probe_off", "motion", "late", "duplicate", "battery_low"):
        ward = Ward(1, 15, start=START, orders=[Order(name)], episode_every=None)
        (episode,) = next(iter(ward.ticks())).begun
        assert all(truth.expected_severity is None for truth in episode.truths())


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("bradycardia", Order("bradycardia")),
        ("bradycardia@5", Order("bradycardia", None, 5)),
        ("probe-off:P0007@1.5", Order("probe_off", "P0007", 1.5)),
        ("Fever:P0003", Order("fever", "P0003")),
    ],
)
def test_an_episode_is_ordered_by_kind_patient_and_offset(text: str, order: Order) -> None:
    assert Order.parse(text) == order


@pytest.mark.parametrize("text", ["", "flu", "bradycardia@", "bradycardia@soon", ":P0001", "bradycardia:P1:P2@3@4"])
def test_an_order_that_is_not_understood_names_the_kinds(text: str) -> None:
    with pytest.raises(ConfigurationError, match="Kinds: desaturation, sepsis, bradycardia"):
        Order.parse(text)


def test_an_episode_for_a_patient_who_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="there is no patient P0099; the ward has P0001 to P0010"):
        Ward(1, 10, start=START, orders=[Order("fever", "P0099")])


@pytest.mark.parametrize("wrong", [{"patients": 0}, {"rate": 0.0}, {"rate": -1.0}, {"seed": -1}])
def test_a_ward_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="at least one patient"):
        Ward(**{"start": START, **wrong})


def test_a_run_without_pacing_needs_an_end() -> None:
    assert ward_length(600, None, 60) == 10
    assert ward_length(600, 5, 60) == 5
    with pytest.raises(ConfigurationError, match="--count or --duration"):
        ward_length(None, None, 60)


def test_the_name_of_a_run_tells_seed_size_and_start() -> None:
    ward = Ward(7, 3, start=START + timedelta(microseconds=1_234_567))
    assert ward.run_id == "seed7-n3-r3-20260301T080001.234Z"
    assert len(ward.run_id) <= 64


def test_a_reading_has_the_columns_of_the_table() -> None:
    schema = (PROJECT_ROOT / "producers" / "schema.sql").read_text().split("health.patients_information")[0]
    assert all(f"\n  {column} " in schema for column in Reading._fields)
