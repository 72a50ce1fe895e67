"""The hours of a vital, and the alarms, of many patients over a month, from Hive. The statements are pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from clinical.tables import ALARMS
from clinical.vitals import DERIVED
from dashboard.compare.statistics import Samples
from dashboard.hours import hour_source
from hive.ddl import quote


def hours_statement(patients: Collection[str], attribute: str, start: int, end: int, least_quality: float) -> str:
    """HQL: patient, and lowest, mean, highest and number of values of each hour, from `start` to before `end`.

    Values that are not believed, and computed ones that lack inputs, are left out. Times are epoch ms. Raises KeyError
    for what is no vital.
    """
    table, time, hour, value, condition = hour_source(attribute, least_quality)
    if attribute in DERIVED:
        condition += " AND inputs_used >= inputs_expected"
    return (
        f"SELECT patient_id, MIN({value}), AVG({value}), MAX({value}), COUNT(*) FROM {table}"
        f" WHERE {_between(time, start, end)} AND patient_id IN ({_list(patients)}) AND {condition}"
        f" GROUP BY patient_id, event_date, {hour}"
    )


def alarms_statement(patients: Collection[str], wards: Collection[str], start: int, end: int) -> str:
    """HQL: patient, ward, highest severity and number of the alarms of these patients and wards that became active, and
    began from `start` to before `end` (epoch ms)."""
    about = [f"patient_id IN ({_list(patients)})"] if patients else []
    about += [f"ward IN ({_list(wards)})"] if wards else []
    return (
        f"SELECT patient_id, ward, peak_severity, COUNT(*) FROM {ALARMS.full_name}"
        f" WHERE {_between('started_at', start, end)} AND raised_at IS NOT NULL AND ({' OR '.join(about)})"
        " GROUP BY patient_id, ward, peak_severity"
    )


def samples_of(rows: Iterable[tuple[Any, ...]]) -> dict[str, Samples]:
    """Patient -> hours, of the rows of `hours_statement`."""
    found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for patient_id, *numbers in rows:
        found[patient_id].append(tuple(float(number) for number in numbers))
    samples = {}
    for patient_id, hours in found.items():
        low, mean, high, count = np.array(hours, dtype=np.float64).T
        samples[patient_id] = Samples(low, mean, high, count.astype(np.int64))
    return samples


def _between(column: str, start: int, end: int) -> str:
    """The days, which say what is read, and the time within them."""
    return (
        f"event_date BETWEEN '{_moment(start):%Y-%m-%d}' AND '{_moment(end):%Y-%m-%d}'"
        f" AND {column} >= TIMESTAMP '{_moment(start):%Y-%m-%d %H:%M:%S}'"
        f" AND {column} < TIMESTAMP '{_moment(end):%Y-%m-%d %H:%M:%S}'"
    )


def _list(texts: Collection[str]) -> str:
    return ", ".join(f"'{quote(text)}'" for text in sorted(texts))


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
