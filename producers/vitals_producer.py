"""Stream `vitals-producer`: every committed row of the source table to `vital-info`, each exactly once.

Rows are read by ascending key; keys that were skipped are asked for again until they appear or until
`producer.late_commit_window_seconds` has passed. Each page and the state after it go out in one Kafka transaction, so a
restart goes on where the last committed transaction ended. Rows of one patient leave in the order of their keys, except
those that were committed late. An UPDATE of a row that was read is not seen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from infra.clients import with_retries
from infra.errors import UnavailableError
from infra.metrics import StreamMetrics
from infra.settings import Settings
from infra.stream import run_stream
from producers.cursor import CursorState, Gap
from producers.encoding import RowEncoder
from producers.ops_alarm import OpsAlarm
from producers.read_ahead import ReadAhead
from producers.source import Row, SourceReader
from producers.transactions import ReadingLog, TransactionAborted

NAME = "vitals-producer"
GAPS_A_QUERY = 500
STATUS_INTERVAL_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 5.0
LEAST_PAUSE_SECONDS = 0.003
"""Kafka ends a transaction after it has answered; librdkafka waits for 20 ms with one that it begins before that."""

SOURCE_LOST_SECONDS = 10.0
"""A database that is away for longer than this is a technical alarm."""

log = structlog.get_logger(part=NAME)


class VitalsProducer:
    """The producer of one source table; `run` does everything."""

    def __init__(
        self,
        settings: Settings,
        metrics: StreamMetrics,
        stop: threading.Event,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._stop = stop
        self._clock = clock
        self._reader = SourceReader(settings)
        self._pages = ReadAhead(self._reader, settings.producer.page_size)
        self._log = ReadingLog(settings, stop)
        self._state = CursorState()
        self._next_gap = 0
        self._next_gap_round = 0.0
        self._next_status = 0.0
        source = settings.source.table
        self._source_lost = OpsAlarm(settings, NAME, "source_unreachable", source)
        self._gaps_dropped = OpsAlarm(settings, NAME, "late_commit_gaps_dropped", source)
        self._source_behind = OpsAlarm(settings, NAME, "source_behind_cursor", source)

    def run(self) -> None:
        """Read and publish until `stop` is set.

        Raises ConfigurationError when the table does not fit the settings, UnavailableError when a server stays away at
        start, SingleInstanceError when another producer has taken over.
        """
        self._encoder = RowEncoder(with_retries(self._settings, self._reader.open))
        try:
            with_retries(self._settings, self._log.open)
            self._state = with_retries(self._settings, self._load_state)
            log.info("reading", table=self._settings.source.table, after=self._state.cursor, gaps=len(self._state.gaps))
            while not self._stop.is_set():
                self._turn()
        finally:
            self._pages.close()
            self._log.close()
            self._reader.close()

    def _turn(self) -> None:
        """One turn of the loop: a page, some gaps, and a pause unless there is more to read."""
        begun = self._clock()
        try:
            full_page = self._read_page()
            self._ask_gaps()
            self._tell_status()
        except TransactionAborted:
            self._recover()
        except UnavailableError as error:
            self._reconnect(error)
        else:
            if not full_page:
                rest = begun + self._settings.producer.poll_interval_seconds - self._clock()
                self._stop.wait(max(LEAST_PAUSE_SECONDS, rest))

    def _read_page(self) -> bool:
        """Publish the next page; True when there is probably more."""
        rows = self._pages.after(self._state.cursor)
        is_full = len(rows) == self._settings.producer.page_size
        if is_full:
            self._pages.begin(rows[-1][0])
        try:
            if rows:
                deadline = self._clock() + self._settings.producer.late_commit_window_seconds
                self._publish(rows, self._state.advance([row[0] for row in rows], deadline))
        finally:
            self._pages.settle()
        # Or the next question on that connection would only say that it is lost.
        self._pages.require_sound()
        return is_full

    def _ask_gaps(self) -> None:
        """Ask for some of the gaps, for all once in a gap_poll_interval; few at a time, since new rows come first."""
        asked_at = self._clock()
        gaps = self._state.gaps_from(self._next_gap, GAPS_A_QUERY)
        if asked_at < self._next_gap_round or not gaps:
            return
        size = self._settings.producer.page_size
        rows = self._reader.within(gaps, size)
        state = self._state.fill([row[0] for row in rows])
        asked_to = rows[-1][0] if len(rows) == size else gaps[-1].last
        state, expired = state.give_up(gaps[0].first, asked_to, asked_at)
        if state is not self._state and (rows or expired):
            self._publish(rows, state)
        if expired:
            log.info("ids never appeared", ids=sum(gap.ids for gap in expired), first=expired[0].first)
        self._next_gap = asked_to + 1
        if not self._state.gaps_from(self._next_gap, 1):
            self._next_gap = 0
            self._next_gap_round = asked_at + self._settings.producer.gap_poll_interval_seconds

    def _publish(self, rows: Sequence[Row], state: CursorState) -> None:
        """Write rows and state in one transaction; only then is the state ours."""
        most = self._settings.producer.max_open_gaps
        state, dropped = state.limit(most)
        messages = self._encoder.encode(rows, time.time_ns() // 1_000_000)
        self._log.write(messages, state.to_bytes(self._clock()))
        self._state = state
        self._metrics.records.inc(len(rows))
        self._tell_dropped(dropped)

    def _tell_dropped(self, dropped: Sequence[Gap]) -> None:
        most = self._settings.producer.max_open_gaps
        if dropped:
            log.error("too many gaps, the oldest are no longer waited for", gaps=len(dropped), most=most)
            self._gaps_dropped.raise_once(
                f"More than {most} ranges of ids of {self._settings.source.table} are waited for; the oldest, from id "
                f"{dropped[0].first}, are given up early, and rows committed late among them are lost. Does the key "
                "increase by more than 1? Raise producer.max_open_gaps or lower producer.late_commit_window_seconds."
            )
        elif len(self._state.gaps) < most // 2:
            self._gaps_dropped.clear()

    def _tell_status(self) -> None:
        now = self._clock()
        if now < self._next_status:
            return
        self._next_status = now + STATUS_INTERVAL_SECONDS
        highest = self._reader.highest_key()
        self._metrics.alive(max(0, highest - self._state.cursor))
        self._source_lost.clear()
        # An empty table may have been purged, and its next ids still go on above the cursor.
        if 0 < highest < self._state.cursor:
            self._source_behind.raise_once(
                f"The highest id of {self._settings.source.table} is {highest}, but ids up to {self._state.cursor} "
                "were read before: was the table restored or emptied? New rows below that id are not read."
            )
        else:
            self._source_behind.clear()

    def _load_state(self) -> CursorState:
        stored = self._log.load_cursor()
        return CursorState() if stored is None else CursorState.from_bytes(stored, self._clock())

    def _recover(self) -> None:
        """After an aborted transaction: go on from what was committed."""
        pause = 0.5
        while not self._stop.wait(pause):
            try:
                self._state = self._load_state()
                log.info("going on", after=self._state.cursor, gaps=len(self._state.gaps))
                return
            except UnavailableError as error:
                log.warning("retrying", reason=str(error))
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _reconnect(self, error: UnavailableError) -> None:
        """After the database was lost: connect again and check the table again."""
        log.warning("database lost, reconnecting", reason=str(error))
        self._pages.forget()
        lost_at, pause = self._clock(), 0.2
        while not self._stop.wait(pause):
            try:
                self._encoder = RowEncoder(self._reader.open())
                log.info("database is back", after_seconds=round(self._clock() - lost_at, 1))
                return
            except UnavailableError as still:
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                if self._clock() - lost_at > SOURCE_LOST_SECONDS:
                    self._source_lost.raise_once(f"No reading arrives: {still}")


def body(settings: Settings, metrics: StreamMetrics, stop: threading.Event) -> None:
    """The stream's body, as `run_stream` calls it."""
    VitalsProducer(settings, metrics, stop).run()


if __name__ == "__main__":
    run_stream(NAME, body)
