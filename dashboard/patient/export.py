"""What a patient's page shows, as CSV: the table of readings, and a chart. Pure.

RFC 4180 with a header, times in UTC. No file says whose it is but by the patient's id; its name does not say even that.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from clinical.vitals import JUDGED
from dashboard.patient.curve import Curve, Span

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def file_name(what: str, at: int) -> str:
    """`wardwatch-heart_rate-1-hour-20260131T080000Z.csv`."""
    plain = "".join(character if character.isalnum() or character == "_" else "-" for character in what)
    return f"wardwatch-{plain}-{datetime.fromtimestamp(at / 1000, UTC):%Y%m%dT%H%M%SZ}.csv"


def table_csv(patient_id: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """The table as it is shown, with the patient's id before each row."""
    return _csv(["patient_id", *header], ([patient_id, *row] for row in rows))


def curve_csv(patient_id: str, curve: Curve) -> bytes:
    """Every point of a chart: the readings of an hour, or each minute or hour with its moving average."""
    unit = JUDGED[curve.attribute].unit
    averages = {at - curve.span.step_ms: value for at, value in curve.average}
    told = sorted([*((point, "") for point in curve.points), *((point, curve.apart_why) for point in curve.apart)])
    if curve.span is Span.HOUR:
        header = ["patient_id", "time_utc", "vital", "unit", "value", "remark"]
        rows = [
            [patient_id, utc(point.at), curve.attribute, unit, _number(point.mean), remark] for point, remark in told
        ]
        return _csv(header, rows)
    numbers = ("lowest", "mean", "highest", "values", "moving_average_2_days")
    return _csv(
        ["patient_id", "from_utc", "vital", "unit", *numbers, "remark"],
        (
            [
                patient_id,
                utc(point.at),
                curve.attribute,
                unit,
                *(_number(value) for value in (point.low, point.mean, point.high)),
                str(point.number),
                "" if remark else _number(averages[point.at]),
                remark,
            ]
            for point, remark in told
        ),
    )


def utc(at: int) -> str:
    """Epoch ms as ISO 8601, UTC, to the millisecond."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return file.getvalue().encode()


def _plain(cell: str) -> str:
    """A spreadsheet would compute what begins like a formula; numbers below zero do not occur."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
