"""How files, NameNode objects and query time grow with the days of history.

It needs `./ward up`. Each history is generated with few readings an hour, since what grows with time is the number of
files and partitions: as compaction leaves it, one file an hour, and for one day also as landing does, one a batch. It
draws the curves into `docs/curves/history.svg`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.curves import CURVES, Line, Panel, draw
from bench.figures import Figure, Report, Size
from bench.questions import AGGREGATE, PATIENTS_DAY, QUESTIONS, ask
from bench.scratch_readings import BATCHES_AN_HOUR, HOURS_A_DAY, History, ScratchReadings, scratch_readings
from hive.client import HiveSession, hive_session
from infra.errors import WardError
from infra.settings import load_settings

DAYS, LANDED_DAYS, TINY_DAYS = (1, 10, 100), (1,), (2,)
TINY_HOURS, TINY_BATCHES = 2, 3
ROWS_AN_HOUR, PATIENTS = 240, 20
REPEATS, TINY_REPEATS = 3, 1
LISTING = "listing of partitions"
COMPACTED, LANDED = "compacted", "as landed"


@dataclass(frozen=True)
class Point:
    """What one history costs. `seconds`: median of each question, by its name."""

    state: str
    days: int
    files: int
    objects: int
    seconds: dict[str, float]


def measure(size: Size) -> Report:
    """A line of figures for each history. Raises WardError when an answer is wrong, UnavailableError."""
    settings, repeats = load_settings(), TINY_REPEATS if size.tiny else REPEATS
    points = []
    with scratch_readings(settings) as make, hive_session(settings) as session:
        for state, history in _histories(size.tiny):
            size.say(f"{history.days} days, {state}: writing {history.files:,} files …")
            table = make()
            (table.place_compacted if state == COMPACTED else table.land)(history)
            files, objects = table.objects()
            size.say(f"{history.days} days, {state}: asking …")
            points.append(Point(state, history.days, files, objects, _seconds(session, table, history, repeats)))
    directory = settings.state_dir / "bench" if size.tiny else CURVES
    _draw(directory / "history.svg", points)
    return _report(points)


def _histories(tiny: bool) -> list[tuple[str, History]]:
    hours, batches = (TINY_HOURS, TINY_BATCHES) if tiny else (HOURS_A_DAY, BATCHES_AN_HOUR)
    compacted = [(COMPACTED, History(days, hours, 1, ROWS_AN_HOUR, PATIENTS)) for days in (TINY_DAYS if tiny else DAYS)]
    return compacted + [
        (LANDED, History(days, hours, batches, ROWS_AN_HOUR // batches, PATIENTS)) for days in LANDED_DAYS
    ]


def _seconds(session: HiveSession, table: ScratchReadings, history: History, repeats: int) -> dict[str, float]:
    """The median of each question, asked once before in the same session."""
    name = table.table.full_name

    def listing() -> float:
        begun = time.monotonic()
        found = len(session.rows(f"SHOW PARTITIONS {name}"))
        _require(found == history.days * history.hours_a_day, f"{name} has {found} partitions")
        return time.monotonic() - begun

    def aggregate() -> float:
        found = ask(session, AGGREGATE, name)
        readings, ids = (sum(row[column] for row in found.rows) for column in (2, 3))
        right = (readings, ids) == (history.rows, history.rows * (history.rows - 1) // 2)
        _require(right and len({row[0] for row in found.rows}) == history.days, f"{name} has {readings} readings")
        return found.seconds

    def patients_day() -> float:
        found = ask(session, PATIENTS_DAY, name)
        ids = list(range(7, history.rows // history.days, PATIENTS))
        _require([row[0] for row in found.rows] == ids, f"{name} gives {len(found.rows)} readings of one patient's day")
        return found.seconds

    asked: dict[str, Callable[[], float]] = {AGGREGATE: aggregate, PATIENTS_DAY: patients_day, LISTING: listing}
    for once in asked.values():
        once()
    return {question: statistics.median(once() for _ in range(repeats)) for question, once in asked.items()}


def _require(right: bool, otherwise: str) -> None:
    if not right:
        raise WardError(f"The generated history is not what was written: {otherwise}.")


def _report(points: Sequence[Point]) -> Report:
    figures = []
    for point in points:
        name = f"{point.days} days, {point.state}"
        figures.append(Figure(f"{name}: files, NameNode objects", f"{point.files:,}, {point.objects:,}"))
        figures += [Figure(f"  {question}", f"{seconds:.2f} s") for question, seconds in point.seconds.items()]
    setting = {"rows_an_hour": ROWS_AN_HOUR, "patients": PATIENTS}
    return Report("Days of history", figures, setting, {"points": [asdict(point) for point in points]})


def _draw(path: Path, points: Sequence[Point]) -> None:
    def line(name: str, state: str, value: Callable[[Point], float]) -> Line:
        return Line(name, [(one.days, value(one)) for one in points if one.state == state], state == LANDED)

    counted = [
        line(f"{what}, {state}", state, value)
        for state in (COMPACTED, LANDED)
        for what, value in (("NameNode objects", lambda one: one.objects), ("files", lambda one: one.files))
    ]

    def seconds_of(question: str) -> Callable[[Point], float]:
        return lambda one: one.seconds[question]

    asked = [
        line(f"{question}, {state}", state, seconds_of(question))
        for state in (COMPACTED, LANDED)
        for question in (*QUESTIONS, LISTING)
    ]
    draw(path, "Readings of so many days", "days of history", [Panel("count", counted, log=True), Panel("s", asked)])
