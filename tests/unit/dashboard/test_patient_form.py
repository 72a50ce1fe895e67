"""What may be written about a patient."""

from __future__ import annotations

import re
from datetime import date

import pytest

from dashboard.patient import form
from infra.settings import PROJECT_ROOT

TODAY = date(2026, 3, 1)
GOOD = {
    "patient_id": "P-17.b_2",
    "name": "Zoë <script>alert(1)</script> O'Brien 王",
    "admitted_ward": "Cardiology",
    "date_of_birth": "1961-02-28",
    "sex": "F",
    "phone": "+47 (22) 33-44.55/6",
    "address": "1 High St\nOslo",
    "spo2_scale": "2",
    "pregnant": "0",
    "other_details": "",
}


def problems(**changed: str) -> dict[str, str]:
    values = {**GOOD, **changed}
    return form.problems(values, list(values), TODAY)


def test_a_whole_form_is_right() -> None:
    assert problems() == {}


def test_only_id_name_and_ward_are_needed() -> None:
    assert set(form.problems({}, list(form.FIELDS), TODAY)) == {"patient_id", "name", "admitted_ward"}


@pytest.mark.parametrize(
    ("field", "text", "word"),
    [
        ("patient_id", "two words", "no spaces"),
        ("patient_id", "../x", "letters"),
        ("patient_id", "P" * 65, "at most 64"),
        ("name", "", "needed"),
        ("name", "N" * 201, "at most 200"),
        ("name", "a\nb", "line break"),
        ("name", "a\x00b", "control character"),
        ("admitted_ward", "", "needed"),
        ("date_of_birth", "2026-03-02", "future"),
        ("date_of_birth", "1900-03-02", "125 years"),
        ("date_of_birth", "2025-02-29", "existing day"),
        ("date_of_birth", "28.02.1961", "YYYY-MM-DD"),
        ("date_of_birth", "20250101", "YYYY-MM-DD"),
        ("sex", "X", "choose"),
        ("spo2_scale", "3", "choose"),
        ("pregnant", "yes", "choose"),
        ("phone", "22 33 abc", "digits"),
        ("phone", "12", "3 to 15 digits"),
        ("phone", "1234567890123456", "3 to 15 digits"),
        ("address", "A" * 501, "at most 500"),
        ("address", "a\x1b[0m", "control character"),
    ],
)
def test_what_is_wrong_gets_a_sentence_at_its_field(field: str, text: str, word: str) -> None:
    found = problems(**{field: text})
    assert list(found) == [field]
    assert word in found[field]
    assert found[field].endswith(".")


def test_somebody_born_today_is_a_patient() -> None:
    assert problems(date_of_birth="2026-03-01") == {}


def test_what_stood_there_before_holds_nobody_up() -> None:
    before = {"name": "", "phone": "ask the desk", "admitted_ward": "A"}
    values = {**before, "admitted_ward": "B"}
    names = form.changed(before, values)
    assert names == ["admitted_ward"]
    assert form.problems(values, names, TODAY) == {}


def test_spaces_at_the_ends_are_no_part_of_it() -> None:
    assert form.cleaned({"name": "  Ola ", "phone": None}) == {"name": "Ola", "phone": ""}


def test_the_audit_names_what_identifies_and_quotes_the_rest() -> None:
    before = {"name": "Ola Nordmann", "admitted_ward": "A", "phone": ""}
    detail = form.detail(before, {"name": "Kari Nordmann", "admitted_ward": "B", "phone": "22334455"})
    assert detail == "name changed; admitted_ward: 'A' -> 'B'; phone changed"


def test_no_text_is_longer_than_the_schema_keeps() -> None:
    schema = (PROJECT_ROOT / "producers" / "schema.sql").read_text()
    table = schema.partition("patients_information (")[2].partition(") ENGINE")[0]
    kept = {name: int(longest) for name, longest in re.findall(r"(\w+) (?:VAR)?CHAR\((\d+)\)", table)}
    assert set(kept) >= {"patient_id", "name", "address", "phone", "admitted_ward", "sex"}
    assert all(form.FIELDS[name].longest <= longest for name, longest in kept.items())
    # A character has four bytes at most, and a TEXT 65,535.
    assert form.FIELDS["other_details"].longest * 4 <= 65_535
