"""The history of alarms: from MySQL, where they live, to the Hive table `health.alarms`, where they stay.

    python -m alerts.history --from 2026-01-31T10:00:00Z --to 2026-01-31T11:00:00Z

Every alarm of a patient that lasted or changed in that time is written as it stands *now*; the others of its day stay
as they are, those too that MySQL has forgotten since. So running any time again changes nothing but what has changed,
in any order, and what a crash left undone is done by the next run of the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import orjson
import typer

from alerts.history_days import alarm_days
from alerts.history_rows import Rows, by_day, read_alarms
from hive.audit import parse_time, told_by_status
from infra.log import configure_logging, get_logger
from infra.settings import Settings, load_settings

log = get_logger("alarms-history")


@dataclass(frozen=True)
class Written:
    """What became of the alarms of some time: how many they were, and which of their days had to be written anew."""

    alarms: int
    days: list[str]
    unchanged_days: list[str]

    def as_json(self) -> dict[str, Any]:
        """The outcome as JSON values."""
        return {"alarms": self.alarms, "days_written": self.days, "days_unchanged": self.unchanged_days}


def write_history(settings: Settings, start: datetime, end: datetime) -> Written:
    """Bring `health.alarms` up to date with the alarms that lasted or changed in `[start, end)` (aware times).

    Each day changes at once, day after day. Raises UnavailableError when MySQL, HDFS or HiveServer2 is away,
    SingleInstanceError when another run goes on for too long, QueryError when Hive refuses; the days that were written
    by then stay.
    """
    with alarm_days(settings) as days:
        # Read under the lock, so that no older state is written over a newer one.
        alarms = read_alarms(settings, start, end)
        written = {day: days.change(day, partial(with_changed, rows)) for day, rows in by_day(alarms).items()}
        removed = days.remove_retired(datetime.now(UTC))
    log.info("history written", alarms=len(alarms), days=sum(written.values()), directories_removed=len(removed))
    return Written(
        len(alarms),
        [day for day, changed in written.items() if changed],
        [day for day, changed in written.items() if not changed],
    )


def with_changed(changed: Rows, before: Rows) -> Rows:
    """A day's rows, those that changed in the place of what they were."""
    return before | changed


def main(
    start: Annotated[str, typer.Option("--from", help="Start, ISO 8601; UTC unless it says so.")],
    end: Annotated[str, typer.Option("--to", help="End, not included.")],
) -> None:
    """Write the alarms that lasted or changed between two times to the Hive table health.alarms.

    Prints what was written as JSON. Exit status: 0 done, 75 a server away (try again), 78 a wrong setting.
    """
    configure_logging()
    with told_by_status():
        written = write_history(load_settings(), parse_time(start), parse_time(end))
    print(orjson.dumps(written.as_json()).decode(), flush=True)


if __name__ == "__main__":
    typer.run(main)
