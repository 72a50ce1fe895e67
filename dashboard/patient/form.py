"""What may be written about a patient: the fields of the form, and a sentence for each that is wrong. Pure.

Texts are as people type them; an empty one means that it is not known.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

OLDEST_YEARS = 125
"""Nobody is known to have lived longer: 122 years and 164 days (J. Calment)."""

PATIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
PHONE = re.compile(r"\+?[0-9 ()/.-]+")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
PHONE_DIGITS = range(3, 16)
"""From an extension in the house to the longest number that ITU-T E.164 allows."""

YES_NO = {"": "not known", "0": "no", "1": "yes"}
SEXES = {"": "not known", "F": "F", "M": "M"}
SCALES = {"": "not set (1)", "1": "1", "2": "2, as prescribed"}


@dataclass(frozen=True)
class Field:
    """A field of the form. `longest`: characters that the column of `producers/schema.sql` holds, or fewer.

    `is_identity`: only for those who see names; such values stand in no log and in no detail of the audit.
    """

    name: str
    label: str
    longest: int
    is_identity: bool = False
    is_required: bool = False
    choices: Mapping[str, str] | None = None
    is_long: bool = False
    """It may have several lines."""


FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field("patient_id", "Patient id", 64, is_required=True),
        Field("name", "Name", 200, is_identity=True, is_required=True),
        Field("admitted_ward", "Ward", 80, is_required=True),
        Field("date_of_birth", "Date of birth", 10, is_identity=True),
        Field("sex", "Sex", 1, choices=SEXES),
        Field("phone", "Phone", 40, is_identity=True),
        Field("address", "Address", 500, is_identity=True, is_long=True),
        Field("spo2_scale", "SpO2 scale (NEWS2)", 1, choices=SCALES),
        Field("pregnant", "Pregnant", 1, choices=YES_NO),
        Field("other_details", "Other details", 10_000, is_identity=True, is_long=True),
    )
}
"""In the order of the form. Free text may hold a name, so that it counts as identity."""


def cleaned(values: Mapping[str, str | None]) -> dict[str, str]:
    """Without spaces at both ends."""
    return {name: (text or "").strip() for name, text in values.items()}


def changed(before: Mapping[str, str], values: Mapping[str, str]) -> list[str]:
    """Names of what is different in `values`, in the form's order."""
    return [name for name in FIELDS if name in values and values[name] != before.get(name, "")]


def problems(values: Mapping[str, str], names: Collection[str], today: date) -> dict[str, str]:
    """What is wrong with these fields: field -> a sentence. `today` is the day on the ward.

    Only `names` are checked: what stood there before and is left as it is holds nobody up.
    """
    found = {name: _problem(FIELDS[name], values.get(name, ""), today) for name in FIELDS if name in names}
    return {name: sentence for name, sentence in found.items() if sentence}


def detail(before: Mapping[str, str], values: Mapping[str, str]) -> str:
    """What was changed, for the audit: from and to, but for what identifies somebody, where only the field is named."""
    return "; ".join(
        f"{name} changed" if FIELDS[name].is_identity else f"{name}: {before.get(name, '')!r} -> {values[name]!r}"
        for name in changed(before, values)
    )


def _problem(field: Field, text: str, today: date) -> str | None:
    if not text:
        return f"{field.label} is needed." if field.is_required else None
    if field.choices is not None:
        return None if text in field.choices else f"{field.label}: choose one of those offered."
    if len(text) > field.longest:
        return f"{field.label} has {len(text)} characters: at most {field.longest} are kept."
    plain = text.replace("\n", "") if field.is_long else text
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in plain):
        return (
            f"{field.label} holds a control character{'' if field.is_long else ' or a line break'}: write plain text."
        )
    if field.name == "patient_id" and not PATIENT_ID.fullmatch(text):
        return "Patient id: letters without accents, digits, and . _ - after the first of them; no spaces."
    if field.name == "phone":
        return _phone_problem(text)
    return _birth_problem(text, today) if field.name == "date_of_birth" else None


def _phone_problem(text: str) -> str | None:
    digits = sum(character.isdigit() for character in text)
    if PHONE.fullmatch(text) and digits in PHONE_DIGITS:
        return None
    return (
        f"Phone: {PHONE_DIGITS.start} to {PHONE_DIGITS.stop - 1} digits, between them spaces and ( ) / . - at most, "
        "as +47 22 33 44 55."
    )


def _birth_problem(text: str, today: date) -> str | None:
    try:
        if not DAY.fullmatch(text):
            raise ValueError
        born = date.fromisoformat(text)
    except ValueError:
        return "Date of birth: write an existing day as YYYY-MM-DD, for example 1961-02-28."
    if born > today:
        return "Date of birth lies in the future."
    if today.year - born.year > OLDEST_YEARS:
        return f"Date of birth is more than {OLDEST_YEARS} years ago: check the year."
    return None
