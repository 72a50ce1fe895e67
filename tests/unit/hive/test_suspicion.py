"""Only values that some table may call a breach are read."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from clinical.patient_limits import patient_rows
from clinical.thresholds import judge, read_table
from clinical.vitals import DERIVED, VITALS
from hbase.files import DEFAULT_TABLE, keyed, read_csv
from hive.suspicion import Limits, never_breaches, suspicious

TABLE = read_table(keyed(read_csv(DEFAULT_TABLE)))[0]
OWN = [
    row for patient in ("P1", "P2") for row in patient_rows(TABLE, "spo2", Decimal(88), Decimal(92), patient, "COPD")
]


@given(
    attribute=st.sampled_from(sorted(VITALS)),
    patient=st.sampled_from([None, "P1", "P3"]),
    share=st.floats(0, 1),
    age=st.floats(0, 110),
)
def test_a_value_that_is_left_out_unseen_is_a_breach_at_no_age(
    attribute: str, patient: str | None, share: float, age: float
) -> None:
    harmless = never_breaches([*TABLE, *OWN])
    general, own = harmless.get((attribute, None)), harmless.get((attribute, patient), (None, None))
    if general is None or own is None:
        return
    inside = Decimal(str(round(between(attribute, general, share), 3)))
    low, high = own
    if (low is not None and inside < low) or (high is not None and inside > high):
        return
    row = judge([*TABLE, *OWN], attribute, inside, age, patient)
    assert row is None or row.direction == "normal" or not row.alert_flag


def between(attribute: str, limits: Limits, share: float) -> float:
    low = VITALS[attribute].low if limits[0] is None else limits[0]
    high = VITALS[attribute].high if limits[1] is None else limits[1]
    return float(low) + share * float(high - low)


def test_a_value_is_suspicious_outside_of_the_general_limits_or_of_the_patients_own() -> None:
    condition = suspicious(
        {
            ("heart_rate", None): (Decimal(60), Decimal(100)),
            ("spo2", None): (Decimal(96), None),
            ("glucose", None): None,
            ("spo2", "P1"): (Decimal(88), Decimal(92)),
            ("spo2", "O'P\\2"): (Decimal(88), Decimal(92)),
        }
    )
    assert condition.split(" OR (") == [
        "(attribute = 'heart_rate' AND (value < 60 OR value > 100))",
        "attribute = 'spo2' AND (value < 96))",
        "attribute = 'glucose' AND true)",
        r"attribute = 'spo2' AND patient_id IN ('P1', 'O\'P\\2') AND (value < 88 OR value > 92))",
    ]
    assert suspicious({}) == "false"


def test_limits_of_single_patients_do_not_narrow_the_general_ones() -> None:
    harmless = never_breaches([*TABLE, *OWN])
    general = {(attribute, patient) for attribute, patient in harmless if patient is None}
    assert {whose: harmless[whose] for whose in general} == never_breaches(TABLE)
    assert harmless["spo2", "P2"] == (Decimal(88), Decimal(92))


def test_derived_attributes_have_limits_of_their_own() -> None:
    found = never_breaches(TABLE, DERIVED)
    assert {attribute for attribute, _ in found} <= DERIVED.keys()
    assert found["news2", None] == (None, Decimal(4))
