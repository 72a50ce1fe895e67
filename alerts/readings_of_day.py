"""A day or a window of readings out of Hive, as arrays.

Hive says which Parquet files hold the day; they are read from HDFS directly, since HiveServer2 hands out rows one by
one and a ward of 60 has five million a day. A file that compaction replaces meanwhile stays for an hour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain, pairwise
from typing import BinaryIO
from urllib.parse import urlparse

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alerts.comparison import History
from alerts.message import UNKNOWN_WARD
from alerts.rehearsal import Patient, Series
from clinical.ages import age_years
from clinical.device import PROBED
from clinical.tables import DERIVED_VITALS, PATIENTS, VITAL_READINGS, StoredTable
from clinical.vitals import SIGNAL_QUALITY, VITALS
from hive.client import query
from infra.clients import hdfs
from infra.errors import WardError
from infra.settings import Settings

DECIMALS = 3
STORED_NUMBER = pa.decimal128(10, DECIMALS)
"""A stored value (`clinical.tables.VITAL_TYPE`)."""


def load_day(settings: Settings, day: date) -> History:
    """The readings and derived values of one day (UTC) of every patient; of today, those so far.

    Wards and birth dates are those of the newest import. Raises WardError for a day without readings, UnavailableError
    without Hive or HDFS.
    """
    end = datetime.combine(day + timedelta(days=1), time.min, UTC)
    found = _load(settings, [day], end, [*VITALS, SIGNAL_QUALITY], None)
    if found is None:
        raise WardError(
            f"Hive has no readings of {day}: `./ward hql 'SHOW PARTITIONS health.vital_readings'` lists days."
        )
    return found


def load_window(settings: Settings, begin: datetime, end: datetime, attributes: Collection[str]) -> History:
    """The same of those attributes, measured or derived, from `begin` to before `end`.

    Raises WardError when there is none of them, UnavailableError without Hive or HDFS.
    """
    days = [begin.date() + timedelta(days=number) for number in range((end.date() - begin.date()).days + 1)]
    measured = [attribute for attribute in VITALS if attribute in attributes]
    found = _load(settings, days, end, [*measured, SIGNAL_QUALITY], Window(begin, end, frozenset(attributes)))
    if found is None:
        raise WardError(
            f"Hive has no readings of {', '.join(sorted(attributes))} from {begin:%Y-%m-%d %H:%M} to "
            f"{end:%Y-%m-%d %H:%M} UTC."
        )
    return found


@dataclass(frozen=True)
class Window:
    """What is taken of the rows that were read: those from `begin` to before `end`, and of those attributes."""

    begin: datetime
    end: datetime
    attributes: frozenset[str]

    def of(self, rows: pa.Table, time_column: str) -> pa.Table:
        """The rows measured, or computed for a moment, in it."""
        if rows.num_rows == 0:
            return rows
        times = rows[time_column]
        begin, end = (pa.scalar(at, pa.timestamp("us", "UTC")).cast(times.type) for at in (self.begin, self.end))
        return rows.filter(pc.and_(pc.greater_equal(times, begin), pc.less(times, end)))


def _load(
    settings: Settings, days: Sequence[date], end: datetime, columns: Sequence[str], window: Window | None
) -> History | None:
    """What was measured on those days, of `window` only; None: nothing."""
    readings = _read(settings, VITAL_READINGS, days, ["patient_id", "recorded_at", *columns])
    derived = _read(
        settings,
        DERIVED_VITALS,
        days,
        ["patient_id", "computed_for", "attribute", "value", "inputs_used", "inputs_expected"],
    )
    if window is not None:
        readings, derived = window.of(readings, "recorded_at"), window.of(derived, "computed_for")
        derived = derived.filter(pc.is_in(derived["attribute"], pa.array(sorted(window.attributes), pa.string())))
    if readings.num_rows == 0:
        return None
    until = min(end, datetime.now(UTC))
    least = settings.readings.least_signal_quality
    return as_history(readings, derived, _patients(settings, days[-1]), int(until.timestamp() * 1000), least)


def as_history(
    readings: pa.Table, derived: pa.Table, known: Mapping[str, Patient], until: int, least_signal_quality: float
) -> History:
    """Rows of `vital_readings` and `derived_vitals` as series; who is not known is of no known ward and age.

    What is not believed (`clinical.device`) is left out.
    """
    names = sorted(set(readings["patient_id"].unique().to_pylist()) | set(derived["patient_id"].unique().to_pylist()))
    found: dict[str, list[Series]] = {name: [] for name in names}
    for place, series in chain(_of_readings(readings, names, least_signal_quality), _of_derived(derived, names)):
        found[names[place]].append(series)
    return History([(known.get(name, Patient(name, UNKNOWN_WARD, None)), found[name]) for name in names], until)


def _of_readings(rows: pa.Table, names: Sequence[str], least_quality: float) -> Iterator[tuple[int, Series]]:
    """Each series with the place of its patient in `names`."""
    whose, at = _places(rows["patient_id"], names), _millis(rows["recorded_at"])
    order = np.lexsort((at, whose))
    whose, at = whose[order], at[order]
    no_contact = _numbers(rows[SIGNAL_QUALITY])[order] < least_quality
    for attribute in (attribute for attribute in VITALS if attribute in rows.column_names):
        values = _numbers(rows[attribute])[order]
        here = ~np.isnan(values) & ~(no_contact & (attribute in PROBED))
        yield from _split(whose[here], Series(attribute, at[here], values[here]))


def _of_derived(rows: pa.Table, names: Sequence[str]) -> Iterator[tuple[int, Series]]:
    """The same of derived values; one that lacked inputs is partial."""
    for attribute in sorted(set(rows["attribute"].unique().to_pylist())):
        own = rows.filter(pc.equal(rows["attribute"], attribute))
        whose, at = _places(own["patient_id"], names), _millis(own["computed_for"])
        partial = pc.fill_null(pc.less(own["inputs_used"], own["inputs_expected"]), False).to_numpy()
        order = np.lexsort((at, whose))
        yield from _split(whose[order], Series(attribute, at[order], _numbers(own["value"])[order], partial[order]))


def _split(whose: npt.NDArray[np.int64], series: Series) -> Iterator[tuple[int, Series]]:
    """One series a patient; `whose` each value is, in order."""
    edges = [0, *(np.flatnonzero(np.diff(whose)) + 1).tolist(), len(whose)]
    for begin, end in pairwise(edges):
        if begin < end:
            part = slice(begin, end)
            partial = None if series.partial is None else series.partial[part]
            own = Series(series.attribute, series.recorded_at[part], series.values[part], partial)
            yield int(whose[begin]), own


def _places(column: pa.ChunkedArray, names: Sequence[str]) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = pc.index_in(column, value_set=pa.array(names)).to_numpy().astype(np.int64)
    return found


def _millis(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = column.to_numpy().astype("datetime64[ms]").astype(np.int64)
    return found


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """NaN where there is none. Arrow's own cast is not the double nearest to a decimal; rounding makes it so."""
    found: npt.NDArray[np.float64] = np.round(column.cast(pa.float64()).to_numpy(), DECIMALS)
    return found


def _read(settings: Settings, table: StoredTable, days: Sequence[date], columns: Sequence[str]) -> pa.Table:
    """Those columns of the rows of those days."""
    files = hdfs(settings)
    tables = []
    named = ", ".join(f"'{day.isoformat()}'" for day in days)
    for (location,) in query(
        settings, f"SELECT DISTINCT INPUT__FILE__NAME FROM {table.full_name} WHERE event_date IN ({named})"
    ):
        with files.open(urlparse(location).path) as file:
            tables.append(rows_of(file, columns))
    return pa.concat_tables(tables) if tables else _empty(columns)


def rows_of(file: BinaryIO, columns: Sequence[str]) -> pa.Table:
    """Those columns of a Parquet file; one that the file is older than was not measured."""
    # Unlike read_table, a ParquetFile leaves out a column that it does not have.
    rows = pq.ParquetFile(file).read(columns=list(columns))
    for name in columns:
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, STORED_NUMBER))
    return rows.select(list(columns))


def _empty(columns: Sequence[str]) -> pa.Table:
    return pa.table({name: pa.array([], pa.string()) for name in columns})


def _patients(settings: Settings, day: date) -> dict[str, Patient]:
    found = {}
    for name, ward, born in query(
        settings, f"SELECT patient_id, admitted_ward, date_of_birth FROM {PATIENTS.full_name}"
    ):
        age = None if born is None else age_years(day, date.fromisoformat(str(born)))
        found[name] = Patient(name, ward or UNKNOWN_WARD, age)
    return found
