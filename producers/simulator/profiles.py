"""Who lies on the simulated ward, and what is normal for each of them.

Everything is drawn from the seed and the patient's number, so that a patient is the same whatever the size of the ward.
Names, addresses and telephone numbers are invented; the numbers lie in ranges kept free for fiction (Ofcom, NANPA 555).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from clinical.vitals import VITALS

ATTRIBUTES = tuple(VITALS)
WARDS = ("ICU", "Cardiology", "Paediatrics", "General")


@dataclass(frozen=True)
class Normal:
    """A personal baseline lies evenly in `low..high`; readings spread around it by `sd`."""

    low: float
    high: float
    sd: float


AGE_BANDS: dict[str, tuple[float, float]] = {
    "neonate": (0.02, 0.15),
    "infant": (0.3, 0.9),
    "toddler": (1.2, 3.8),
    "child": (4.5, 11.5),
    "teen": (12.3, 15.5),
    "adult": (18, 64),
    "elderly": (70, 92),
}
"""Age in years at the start of the run, `low..high`; clear of the edges, so that nobody changes band during a run."""

_ADULT = {
    "heart_rate": Normal(64, 80, 3),
    "systolic_bp": Normal(122, 138, 3.5),
    "diastolic_bp": Normal(72, 84, 2.5),
    "spo2": Normal(97.3, 98.7, 0.45),
    "temperature": Normal(36.5, 37.0, 0.07),
    "respiratory_rate": Normal(14, 17, 0.7),
    "glucose": Normal(90, 110, 4),
}

NORMALS: dict[str, Mapping[str, Normal]] = {
    "neonate": {
        **_ADULT,
        "heart_rate": Normal(125, 135, 4),
        "systolic_bp": Normal(68, 72, 1.8),
        "diastolic_bp": Normal(38, 44, 1.5),
        "temperature": Normal(36.7, 37.2, 0.08),
        "respiratory_rate": Normal(38, 50, 2),
        "glucose": Normal(80, 105, 3),
    },
    "infant": {
        **_ADULT,
        "heart_rate": Normal(120, 132, 4),
        "systolic_bp": Normal(88, 92, 2),
        "diastolic_bp": Normal(50, 56, 2),
        "temperature": Normal(36.6, 37.2, 0.08),
        "respiratory_rate": Normal(32, 42, 2),
    },
    "toddler": {
        **_ADULT,
        "heart_rate": Normal(102, 108, 3),
        "systolic_bp": Normal(98, 102, 2),
        "diastolic_bp": Normal(56, 62, 2),
        "respiratory_rate": Normal(26, 32, 1.5),
    },
    "child": {
        **_ADULT,
        "heart_rate": Normal(84, 96, 3.5),
        "systolic_bp": Normal(102, 110, 2.5),
        "diastolic_bp": Normal(60, 68, 2),
        "respiratory_rate": Normal(23.5, 26, 0.9),
    },
    "teen": {
        **_ADULT,
        "heart_rate": Normal(72, 86, 3),
        "systolic_bp": Normal(110, 120, 2.5),
        "diastolic_bp": Normal(64, 74, 2),
        "respiratory_rate": Normal(13.7, 14.3, 0.5),
    },
    "adult": _ADULT,
    "elderly": {
        **_ADULT,
        "heart_rate": Normal(66, 78, 3),
        "systolic_bp": Normal(134, 148, 4),
        "spo2": Normal(97.2, 97.8, 0.4),
        "temperature": Normal(36.4, 36.7, 0.06),
    },
}
"""What is normal at an age at rest; 2.5 standard deviations around any baseline are still unremarkable."""

PROFILES: dict[str, Mapping[str, Normal]] = {
    "ordinary": {},
    "elderly": {},
    "athlete": {"heart_rate": Normal(56, 60, 1.4), "respiratory_rate": Normal(13.8, 14.5, 0.6)},
    "party_goer": {"heart_rate": Normal(76, 81, 3), "glucose": Normal(84, 95, 4)},
    "diabetic": {"glucose": Normal(125, 150, 8)},
    "low_glucose": {"glucose": Normal(79, 84, 2.5)},
}
"""What a profile changes of the normal for the age."""

_PLACES = (
    ("Cardiology", "elderly", "elderly"),
    ("General", "adult", "diabetic"),
    ("Paediatrics", "neonate", "ordinary"),
    ("ICU", "adult", "ordinary"),
    ("General", "adult", "athlete"),
    ("Paediatrics", "child", "ordinary"),
    ("Cardiology", "adult", "ordinary"),
    ("General", "adult", "party_goer"),
    ("Paediatrics", "toddler", "ordinary"),
    ("ICU", "elderly", "elderly"),
    ("General", "adult", "low_glucose"),
    ("Paediatrics", "infant", "ordinary"),
    ("Cardiology", "adult", "diabetic"),
    ("ICU", "adult", "athlete"),
    ("Paediatrics", "teen", "diabetic"),
)
"""Ward, age band and profile of the patients in turn: fifteen in a row hold every ward, age and profile."""

_NAMES = (
    ("Zoë", "Müller"), ("Seán", "O'Connor"), ("Łukasz", "Żółkiewski"), ("Thị Hạnh", "Nguyễn"), ("花子", "山田"),
    ("Иван", "Петров"), ("فاطمة", "الزهراء"), ("José María", "Núñez de la Peña"), ("Ayşe", "Yıldız"), ("Anna", "Smith"),
    ("Björn", "Ångström"), ("Priya", "Raman"), ("Κώστας", "Παπαδόπουλος"), ("Grace", "Okafor"), ("Noa", "לוי"),
    ("Chloé", "D'Aubigné"), ("Mateo", "García, hijo"), ("Min-jun", "김"), ("Oluwaseun", "Adébáyọ̀"), ("Emily", "Clarke"),
)  # fmt: skip
_STREETS = (
    "Acacia Avenue",
    "Rue de l'Église",
    "Hauptstraße",
    "Calle Mayor",
    "Ulica Świętokrzyska",
    "High Street, Flat 2",
)
_TOWNS = ("Ambridge", "Saint-Loup", "Kleinstadt", "Villanueva", "Łódź", "Holby")


@dataclass(frozen=True)
class Patient:
    """A simulated patient. `baseline` and `spread` follow the order of ATTRIBUTES."""

    patient_id: str
    device_id: str
    name: str
    address: str | None
    phone: str | None
    ward: str
    date_of_birth: date
    sex: str
    spo2_scale: int
    pregnant: bool
    age_band: str
    profile: str
    on_oxygen: bool
    baseline: tuple[float, ...]
    spread: tuple[float, ...]


def admit(seed: int, count: int, start: datetime) -> tuple[Patient, ...]:
    """The first `count` patients of the ward with that seed, at the ages they have at `start`."""
    return tuple(_patient(seed, number, start) for number in range(1, count + 1))


def _patient(seed: int, number: int, start: datetime) -> Patient:
    rng = np.random.default_rng([seed, number])
    ward, age_band, profile = _PLACES[(number - 1) % len(_PLACES)]
    normals = [{**NORMALS[age_band], **PROFILES[profile]}[attribute] for attribute in ATTRIBUTES]
    sex = "FM"[rng.integers(2)]
    fertile = sex == "F" and age_band == "adult"
    young, old = AGE_BANDS[age_band]
    return Patient(
        patient_id=f"P{number:04d}",
        device_id=f"monitor-{number:04d}",
        name=" ".join(_pick(rng, [name[part] for name in _NAMES]) for part in (0, 1)),
        address=_address(rng, number),
        phone=_phone(rng, number),
        ward=ward,
        date_of_birth=start.date() - timedelta(days=round(rng.uniform(young, old) * 365.25)),
        sex=sex,
        spo2_scale=2 if profile == "elderly" and rng.random() < 0.2 else 1,
        pregnant=bool(fertile and rng.random() < 0.1),
        age_band=age_band,
        profile=profile,
        on_oxygen=bool(ward == "ICU" and rng.random() < 0.3),
        baseline=tuple(float(rng.uniform(normal.low, normal.high)) for normal in normals),
        spread=tuple(normal.sd for normal in normals),
    )


def _pick(rng: np.random.Generator, choices: list[str] | tuple[str, ...]) -> str:
    return choices[rng.integers(len(choices))]


def _address(rng: np.random.Generator, number: int) -> str | None:
    """Mostly an address; each tenth patient has none, and some have one of two lines."""
    line = f"{rng.integers(1, 200)} {_pick(rng, _STREETS)}"
    town = _pick(rng, _TOWNS)
    separator = "\n" if rng.random() < 0.15 else ", "
    return None if number % 10 == 9 else f"{line}{separator}{town}"


def _phone(rng: np.random.Generator, number: int) -> str | None:
    """Mostly a number; of ten patients one has none at all and one has an empty one, which is not the same."""
    british, american = f"+44 7700 900{rng.integers(1000):03d}", f"+1 212 555 01{rng.integers(100):02d}"
    if number % 10 in (0, 8):
        return None if number % 10 == 0 else ""
    return british if rng.random() < 0.7 else american
