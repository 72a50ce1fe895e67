"""The days of `health.alarms`: a partition each, whose rows are replaced whole.

A day is one file in a directory of its own, in the layout that compaction uses for the tables that land: it is entered
in the ledger of retired directories, filled, marked as finished, and then the partition's location is switched, in one
step of the metastore. Whoever asks Hive therefore sees the day as it was or as it is, and each alarm once. A crash
before the switch leaves the day as it was; what nothing points at is removed an hour later at the earliest. From the
same layout `spark_jobs.landing.rebuild` finds the newest directory of each day when the metastore was restored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pyarrow.parquet as pq

from alerts.history_rows import Rows, as_rows, as_table
from clinical.tables import ALARMS
from hive import ddl
from hive.client import HiveSession, hive_session
from infra.clients import hdfs
from infra.errors import WardError
from infra.locks import named_lock
from infra.settings import Settings
from spark_jobs.landing import files as f
from spark_jobs.landing.retired import Ledger, Retired

LOCK = "wardwatch:alarms-history"
LOCK_SECONDS = 1800.0
"""How long a run waits for another one, as when several hours are backfilled at once."""

KEY = ALARMS.partitions[0].name
FILE = "alarms.parquet"


class AlarmDays:
    """The days as the metastore knows them. One writer at a time: see `alarm_days`."""

    def __init__(self, settings: Settings, files: Any, session: HiveSession) -> None:
        self._fs = settings.default_fs
        self._files = files
        self._session = session
        self._root = f.compacted_root(settings, ALARMS)
        self._ledger = Ledger(files, f.ledger_root(settings, ALARMS))

    def days(self) -> list[str]:
        """The days that have a partition, ascending."""
        partitions = self._session.rows(f"SHOW PARTITIONS {ALARMS.full_name}")
        return sorted(f.parse_spec(str(partition))[KEY] for (partition,) in partitions)

    def change(self, day: str, change: Callable[[Rows], Rows]) -> bool:
        """Replace the rows of a day by what `change` makes of them; False when that is what it holds already.

        Raises WardError, leaving the day as it was, when the new file does not hold what was written to it.
        """
        old = self._directory(day)
        before = self._read(old) if old else {}
        after = change(before)
        if after == before:
            return False
        new = f.new_directory(self._files, f"{self._root}/{KEY}={day}")
        self._write(day, new, after)
        self._switch(day, old, new)
        return True

    def remove_retired(self, now: datetime) -> list[str]:
        """Remove the directories that were replaced an hour before `now` or earlier; returns their paths."""
        return self._ledger.remove_due(now, lambda spec: self._directory(spec[KEY]))

    def _directory(self, day: str) -> str | None:
        """The path that the day's partition points at; None when there is no such partition."""
        if day not in self.days():
            return None
        partition = ddl.partition_clause(ALARMS, _spec(day))
        described = self._session.rows(f"DESCRIBE FORMATTED {ALARMS.full_name} {partition}")
        location = next(str(value) for name, value, *_ in described if str(name).strip() == "Location:")
        return f.path_of(location.strip()).rstrip("/")

    def _read(self, directory: str) -> Rows:
        rows: Rows = {}
        for entry in f.data_files(self._files, directory):
            with self._files.open(entry["name"], "rb") as file:
                rows |= as_rows(pq.read_table(file))
        return rows

    def _write(self, day: str, directory: str, rows: Rows) -> None:
        self._ledger.enter(Retired(directory, _spec(day), datetime.now(UTC)))
        with self._files.open(f"{directory}/{FILE}", "wb") as file:
            pq.write_table(as_table(rows), file)
        if self._read(directory) != rows:
            raise WardError(
                f"The alarms of {day} were not written to {directory} as they are; {ALARMS.full_name} was left as it "
                "was. Run it again; if it recurs, check HDFS with fsck."
            )
        f.write_merged_batches(self._files, directory, [FILE])  # the mark that it is finished

    def _switch(self, day: str, old: str | None, new: str) -> None:
        spec, location = _spec(day), self._fs + new
        if old is None:
            self._session.run(ddl.add_partitions(ALARMS, [(spec, location)]))
            return
        self._ledger.enter(Retired(old, spec, datetime.now(UTC)))
        self._session.run(ddl.switch_partition(ALARMS, spec, location))


@contextmanager
def alarm_days(settings: Settings) -> Iterator[AlarmDays]:
    """The days, for the one who holds the lock.

    Raises SingleInstanceError when another holds it for longer than LOCK_SECONDS, UnavailableError.
    """
    with named_lock(settings, LOCK, LOCK_SECONDS), hive_session(settings) as session:
        yield AlarmDays(settings, hdfs(settings), session)


def _spec(day: str) -> Mapping[str, str]:
    return {KEY: day}
