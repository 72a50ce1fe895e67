"""How fast a page has a patient's recent readings from HBase, in tables as a ward fills them.

It needs `./ward up`. Tables of its own are filled with the last hour of readings, one a second and patient, and with
two days of minutes. Then one patient after the other, in random order, is asked for the last 20 readings, for the last
10 that have a glucose (one in 300 has), and for two days by minute. Each answer is compared with what was written.
Afterwards the batches that the feed writes twice a minute are written, of 60 patients who report each second.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from bench.figures import Figure, Report, Size
from bench.recent_ward import GLUCOSE_EVERY, NORMAL, RecentWard, ward_until
from bench.scratch import random_suffix
from hbase.recent_minutes import MINUTE_MS, MinuteSeries, minute_content
from hbase.recent_rows import Reading, reading_cell, row_key
from hbase.recent_tables import create_recent_tables
from hbase.recent_vitals import MINUTE_COLUMN, RecentVitals, put_rows
from hbase.table import connected
from infra.errors import WardError
from infra.settings import Settings, load_settings

COUNT, GLUCOSE_COUNT = 20, 10
LAST_MS, TWO_DAYS_MS = 50.0, 500.0
FILL_TIMEOUT_MS = 60_000
LAST, LAST_GLUCOSE, BY_MINUTE, BATCH = "last 20 readings", "last 10 with a glucose", "two days by minute", "batch"


@dataclass(frozen=True)
class Plan:
    """How much is in the tables, how often each question is asked, and what the batches of the feed hold."""

    patients: int = 200
    readings: int = 3600
    minutes: int = 2880
    questions: int = 200
    batches: int = 20
    batch_patients: int = 60
    batch_seconds: int = 30


TINY = Plan(patients=3, readings=700, minutes=40, questions=6, batches=2, batch_patients=2, batch_seconds=5)


def measure(size: Size) -> Report:
    """Milliseconds of each question, and what a batch takes. Raises WardError for an answer that was never written."""
    plan = TINY if size.tiny else Plan()
    settings = _apart(load_settings())
    least = settings.readings.least_signal_quality
    ward = ward_until(time.time(), size.seed, plan.patients, plan.readings, plan.minutes, least)
    with _own_tables(settings):
        store = RecentVitals(settings)
        _fill(settings, ward, size.say)
        order = random.Random(size.seed)
        took = {
            name: [question(store, ward, order.randrange(plan.patients)) for _ in range(plan.questions)]
            for name, question in ((LAST, _last), (LAST_GLUCOSE, _last_glucose), (BY_MINUTE, _by_minute))
        }
        batches = [_batch(store, ward, plan, number) for number in range(plan.batches)]
        _require(store.last(ward.patient_id(0), 1), [list(ward.batch(plan.batches - 1, 1, plan.batch_seconds))[-1]])
    return _report(plan, took, batches)


def _apart(settings: Settings) -> Settings:
    suffix = random_suffix()
    names = {"readings_table": f"bench_recent_{suffix}", "minutes_table": f"bench_minutes_{suffix}"}
    return settings.model_copy(
        update={
            "recent": settings.recent.model_copy(update=names),
            "hadoop": settings.hadoop.model_copy(update={"hbase_timeout_ms": FILL_TIMEOUT_MS}),
        }
    )


@contextmanager
def _own_tables(settings: Settings) -> Iterator[None]:
    try:
        create_recent_tables(settings)
        yield
    finally:
        with connected(settings) as connection:
            for name in (settings.recent.readings_table, settings.recent.minutes_table):
                if name.encode() in connection.tables():
                    connection.delete_table(name, disable=True)


def _fill(settings: Settings, ward: RecentWard, say: Callable[[str], None]) -> None:
    """Rows as the store writes them, without computing each minute anew."""
    for patient in range(ward.patients):
        if patient % 20 == 0:
            say(f"filling the tables: {patient} of {ward.patients} patients …")
        name = ward.patient_id(patient)
        minutes = [
            (row_key(name, minute), {MINUTE_COLUMN: minute_content(spreads)})
            for minute, spreads in ward.minutes_of(patient).items()
        ]
        readings = [(row_key(name, one.recorded_at), dict([reading_cell(one)])) for one in ward.readings_of(patient)]
        with connected(settings) as connection:
            put_rows(connection, settings.recent.minutes_table, minutes)
            put_rows(connection, settings.recent.readings_table, readings)


def _last(store: RecentVitals, ward: RecentWard, patient: int) -> float:
    begun = time.perf_counter()
    found = store.last(ward.patient_id(patient), COUNT)
    took = time.perf_counter() - begun
    _require(found, ward.readings_of(patient, ward.readings - COUNT)[::-1])
    return took * 1000


def _last_glucose(store: RecentVitals, ward: RecentWard, patient: int) -> float:
    begun = time.perf_counter()
    found = store.last(ward.patient_id(patient), GLUCOSE_COUNT, "glucose")
    took = time.perf_counter() - begun
    _require(found, ward.readings_of(patient)[::GLUCOSE_EVERY][::-1][:GLUCOSE_COUNT])
    return took * 1000


def _by_minute(store: RecentVitals, ward: RecentWard, patient: int) -> float:
    start = ward.end - ward.minutes * MINUTE_MS
    begun = time.perf_counter()
    found = store.by_minute(ward.patient_id(patient), start, ward.end, NORMAL)
    took = time.perf_counter() - begun
    _require_curves(found, ward, patient)
    return took * 1000


def _batch(store: RecentVitals, ward: RecentWard, plan: Plan, number: int) -> tuple[float, float]:
    """Milliseconds by the clock, and of processor time of this process, for one batch of the feed."""
    readings = list(ward.batch(number, plan.batch_patients, plan.batch_seconds))
    begun, spent = time.perf_counter(), time.process_time()
    written = store.write(readings)
    took = (time.perf_counter() - begun) * 1000, (time.process_time() - spent) * 1000
    if written != len(readings):
        raise WardError(f"Of a batch of {len(readings)} readings {written} were written.")
    return took


def _require(found: list[Reading], expected: list[Reading]) -> None:
    if found != expected:
        raise WardError(f"HBase answers with {len(found)} readings that are not the {len(expected)} that were written.")


def _require_curves(found: MinuteSeries, ward: RecentWard, patient: int) -> None:
    minutes = sorted(ward.minutes_of(patient).items())
    for attribute, curve in found.items():
        answered = np.stack([curve.minutes, curve.low, curve.mean, curve.high, curve.count], axis=1)
        written = np.array([(minute, *spreads[attribute]) for minute, spreads in minutes])
        if not np.array_equal(answered, written):
            raise WardError(f"HBase answers with another {attribute} by minute than was written.")


def _report(plan: Plan, took: Mapping[str, list[float]], batches: list[tuple[float, float]]) -> Report:
    figures = []
    for name, goal in ((LAST, LAST_MS), (LAST_GLUCOSE, LAST_MS), (BY_MINUTE, TWO_DAYS_MS)):
        for share in (50, 99):
            value = float(np.percentile(took[name], share))
            figures.append(Figure(f"{name}, p{share}", f"{value:.1f} ms", f"under {goal:g} ms", value < goal))
    held = f"{plan.batch_patients * plan.batch_seconds:,} readings of {plan.batch_seconds} s"
    for name, values in zip(("by the clock", "processor time of the writer"), zip(*batches, strict=True), strict=True):
        p50, p99 = np.percentile(values, (50, 99))
        figures.append(Figure(f"{BATCH} of {held}, {name}, p50 and p99", f"{p50:.0f} and {p99:.0f} ms"))
    setting = {"patients": plan.patients, "readings of each": plan.readings, "minutes of each": plan.minutes}
    details = {"milliseconds": dict(took), "batches": batches}
    return Report("Recent readings from HBase", figures, setting, details)
