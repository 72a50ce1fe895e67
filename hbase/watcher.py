"""Which threshold table is in force: the newest that was quiet for a while and right as a whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from clinical.thresholds import ThresholdProblem, ThresholdRow, read_table
from hbase.alarms import AHEAD, AWAY, EMPTY, INVALID, UNWRITABLE, AlarmBoard, HdfsMemory, kafka_sender
from hbase.settling import Content, Settling
from hbase.snapshots import ThresholdSnapshot, content_hash, latest, new_snapshot, store
from hbase.table import TableState, read_state
from infra.errors import ConfigurationError, UnavailableError, WardError
from infra.log import get_logger
from infra.settings import Settings

AWAY_SECONDS = 10.0
"""HBase may be away for this long, as in a restart or a pause, before ops hear of it."""

AHEAD_MS = 60_000
"""By so much the clocks of HBase and of this machine may differ."""

LAST_MS = 253_402_300_799_000
"""The end of the year 9999: no later time can be written down."""

PROBLEMS_NAMED = 5

log = get_logger("thresholds")


@dataclass(frozen=True)
class Judgement:
    """What a quiet table is: `alarm` is None when it may come into force, else the kind of alarm, with its detail."""

    rows: list[ThresholdRow]
    alarm: str | None
    detail: str


def judge_table(cells: Content) -> Judgement:
    """Whether the table may come into force. Pure."""
    rows, problems = read_table(cells)
    if not problems:
        return Judgement(rows, None, "")
    return Judgement(rows, INVALID if cells else EMPTY, describe(problems))


def written_ahead(state: TableState, now: float) -> str:
    """What ops are to know of cells that were written later than now (epoch s), as by a clock that was ahead."""
    latest_of = {key: max(row.values()) for key, row in state.written_at.items()}
    late = {key: at for key, at in latest_of.items() if at > now * 1000 + AHEAD_MS}
    if not late:
        return ""
    until = datetime.fromtimestamp(min(max(late.values()), LAST_MS) / 1000, UTC)
    return (
        f"Rows were written as of a time to come, as {min(late)}, up to {until:%Y-%m-%d %H:%M:%S} UTC: a clock was "
        "ahead. What is put into them in the HBase shell before then is not seen; `./ward thresholds` and the ward "
        "page edit them all the same."
    )


def describe(problems: list[ThresholdProblem]) -> str:
    """The first problems, each with its row and reason, in one text."""
    named = " ".join(map(str, problems[:PROBLEMS_NAMED]))
    more = len(problems) - PROBLEMS_NAMED
    return named if more <= 0 else f"{named} And {more} more: see `./ward thresholds check`."


class ThresholdWatcher:
    """Follows the table in HBase for one stream. Not for use by several threads.

    `start` gives the table to begin with; `poll`, called every second, gives a new one when it has just come into
    force. A bad or empty table, or HBase being away, never disarms: the one in force stays, and ops are told once.
    """

    def __init__(
        self, settings: Settings, clock: Callable[[], float] = time.time, source: str = "detect-breaches"
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._settling = Settling(settings.thresholds.settle_seconds)
        self._alarms = AlarmBoard(kafka_sender(settings), HdfsMemory(settings), source)
        self._current: ThresholdSnapshot | None = None
        self._away_since: float | None = None

    @property
    def current(self) -> ThresholdSnapshot:
        """What is in force; `start` must have been called."""
        if self._current is None:
            raise RuntimeError("The watcher was not started.")
        return self._current

    def start(self) -> ThresholdSnapshot:
        """The newest snapshot on HDFS; at the very first start, the table in HBase once it is quiet and right.

        Raises UnavailableError when HDFS is away, or when there is no snapshot yet and HBase is away;
        ConfigurationError, naming row and reason, when there is no snapshot yet and the table is not right.
        """
        self._current = latest(self._settings)
        if self._current is None:
            self._current = self._first()
        log.info("thresholds in force", version=self._current.version, rows=len(self._current.rows))
        return self._current

    def poll(self) -> ThresholdSnapshot | None:
        """Look at the table once; the snapshot that has just come into force, None when nothing changed."""
        now = self._clock()
        fresh = self._look(now)
        self._alarms.tell(int(now * 1000))
        return fresh

    def _look(self, now: float) -> ThresholdSnapshot | None:
        try:
            state = read_state(self._settings)
        except WardError as error:
            self._away(str(error), now)
            return None
        cells = state.cells
        self._away_since = None
        self._alarms.clear(AWAY)
        if ahead := written_ahead(state, now):
            self._alarms.raise_(AHEAD, ahead)
        else:
            self._alarms.clear(AHEAD)
        if not self._settling.observe(cells, now):
            return None
        judgement = judge_table(cells)
        self._alarms.clear(*{INVALID, EMPTY} - {judgement.alarm})
        if judgement.alarm is not None:
            self._alarms.raise_(judgement.alarm, f"{judgement.detail} {self._unchanged()}")
            self._settling.done()
            return None
        return self._accept(judgement.rows, now)

    def _accept(self, rows: list[ThresholdRow], now: float) -> ThresholdSnapshot | None:
        """Bring `rows` into force unless they are; when the snapshot cannot be written, the next look tries again."""
        if self._current is not None and content_hash(rows) == content_hash(self._current.rows):
            self._settling.done()
            self._alarms.clear(UNWRITABLE)
            return None
        snapshot = new_snapshot(rows, int(now * 1000), self._current)
        try:
            store(self._settings, snapshot)
        except UnavailableError as error:
            self._alarms.raise_(UNWRITABLE, f"{error} {self._unchanged()}")
            return None
        self._settling.done()
        self._alarms.clear(UNWRITABLE)
        self._current = snapshot
        log.info("thresholds in force", version=snapshot.version, rows=len(rows))
        return snapshot

    def _away(self, reason: str, now: float) -> None:
        self._settling.restart(now)
        if self._away_since is None or now < self._away_since:
            self._away_since = now
        if now - self._away_since >= AWAY_SECONDS:
            self._alarms.raise_(AWAY, f"{reason} {self._unchanged()}")

    def _unchanged(self) -> str:
        if self._current is None:
            return "No thresholds are in force yet."
        return f"The thresholds {self._current.version} stay in force."

    def _first(self) -> ThresholdSnapshot:
        """Wait until the table is quiet, which takes `settle_seconds` unless somebody is editing it."""
        pause = threading.Event()
        while True:
            now = self._clock()
            cells = read_state(self._settings).cells
            if self._settling.observe(cells, now):
                break
            pause.wait(min(self._settings.thresholds.poll_seconds, self._settings.thresholds.settle_seconds))
        judgement = judge_table(cells)
        if judgement.alarm is not None:
            self._alarms.raise_(judgement.alarm, f"{judgement.detail} {self._unchanged()}")
            self._alarms.tell(int(now * 1000))
            raise ConfigurationError(f"The threshold table cannot be used: {judgement.detail}")
        snapshot = new_snapshot(judgement.rows, int(now * 1000))
        store(self._settings, snapshot)
        self._settling.done()
        return snapshot
