"""The two questions that analysts ask of the readings, in HQL that Hive, Spark and DuckDB read alike.

Sums and not means: a DECIMAL's sum is exact everywhere, while each engine rounds a mean in its own way. In no order: an
analyst's client sorts, and a server would pass every row through one more task for it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from bench.scratch_readings import FIRST_DAY
from hive.client import HiveSession
from infra.errors import WardError

AGGREGATE, PATIENTS_DAY = "daily aggregate", "one patient's day"
COLUMNS = ("reading_id", "patient_id", "recorded_at", "heart_rate", "spo2", "temperature", "respiratory_rate")
"""What the questions read, beside the partition's day."""

QUESTIONS: Mapping[str, str] = {
    AGGREGATE: "SELECT event_date, patient_id, COUNT(*) AS readings, SUM(reading_id) AS ids,"
    " MIN(heart_rate) AS lowest, MAX(heart_rate) AS highest, SUM(heart_rate) AS beats, MIN(spo2) AS spo2,"
    " SUM(temperature) AS warmth FROM {table} GROUP BY event_date, patient_id",
    PATIENTS_DAY: "SELECT reading_id, recorded_at, heart_rate, spo2, temperature, respiratory_rate FROM {table}"
    f" WHERE event_date = '{FIRST_DAY:%Y-%m-%d}' AND patient_id = 'P000007'",
}
"""Name -> statement, with the table's name left open. A patient's day has their every reading in it. The first two
columns tell the rows of an answer apart."""

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Answered:
    """Seconds from the question to its last row, and the rows, sorted after that."""

    seconds: float
    rows: Rows


def ask(session: HiveSession, name: str, table: str) -> Answered:
    """Put one question to HiveServer2, or to what speaks its protocol. Raises QueryError, UnavailableError."""
    begun = time.monotonic()
    rows = session.rows(QUESTIONS[name].format(table=table))
    return Answered(time.monotonic() - begun, _sorted(rows))


def truth(read: pa.Table, rows: int) -> dict[str, Rows]:
    """The answers as DuckDB finds them in the rows of the files (`COLUMNS`), sorted as those of `ask`.

    Raises WardError when these are not each id from 0 to `rows` - 1, once.
    """
    with closing(duckdb.connect()) as db:
        db.execute("SET TimeZone = 'UTC'")
        db.register("read", read)
        counted = db.execute("SELECT count(*), count(DISTINCT reading_id), min(reading_id), max(reading_id) FROM read")
        if counted.fetchone() != (rows, rows, 0, rows - 1):
            raise WardError(f"The files do not hold each of {rows:,} readings once.")
        db.execute(
            "CREATE VIEW readings AS SELECT * REPLACE (recorded_at::TIMESTAMP AS recorded_at),"
            " strftime(recorded_at::TIMESTAMP, '%Y-%m-%d') AS event_date FROM read"
        )
        return {name: _sorted(db.execute(text.format(table="readings")).fetchall()) for name, text in QUESTIONS.items()}


def _sorted(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: row[:2])


def require_same(name: str, engine: str, rows: Rows, expected: Rows) -> None:
    """Raises WardError, with the first row that differs, when an engine's answer is not the expected one."""
    if rows == expected:
        return
    pairs = enumerate(zip(rows, expected, strict=False), 1)
    where = next((f"row {n} is {one}, not {other}" for n, (one, other) in pairs if one != other), "rows are missing")
    raise WardError(f"{engine} answers the {name} with {len(rows)} rows instead of {len(expected)}: {where}.")
