"""The newest readings that have not landed in HBase yet, from the live state. Landing takes up to its interval."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from clinical.vitals import VITALS
from dashboard.live.state import LiveState
from dashboard.patient.curve import Curve, Span, single
from hbase.recent_rows import Reading

NOT_LANDED = 0
"""In place of a reading's id, which the live state does not keep."""


def live_readings(live: LiveState, patient_id: str, after: int) -> list[Reading]:
    """What was measured later than `after` (epoch ms), newest first: values that are believed only."""
    found: dict[int, dict[str, float]] = defaultdict(dict)
    with live.look() as wards:
        patient = wards.patients.get(patient_id)
        for name in VITALS if patient else ():
            if patient and (series := patient.series.get(name)):
                for at, value in zip(series.times, series.values, strict=True):
                    if at > after:
                        found[at][name] = value
    return [Reading(patient_id, NOT_LANDED, at, found[at]) for at in sorted(found, reverse=True)]


def with_live(
    readings: list[Reading], live: LiveState, patient_id: str, count: int, attribute: str | None
) -> list[Reading]:
    """The last `count` readings (that have the attribute), newest first, with those that have not landed."""
    after = max((reading.recorded_at for reading in readings), default=0)
    fresh = [one for one in live_readings(live, patient_id, after) if attribute is None or attribute in one.values]
    return [*fresh, *readings][:count]


def curve_with_live(curve: Curve, live: LiveState, patient_id: str) -> Curve:
    """An hour's chart with what has not landed; others have points of a minute or longer."""
    if curve.span is not Span.HOUR:
        return curve
    after = max((point.at for point in (*curve.points, *curve.apart)), default=curve.start)
    fresh = [
        single(one.recorded_at, one.values[curve.attribute])
        for one in reversed(live_readings(live, patient_id, after))
        if curve.attribute in one.values
    ]
    return replace(curve, points=[*curve.points, *fresh]) if fresh else curve
