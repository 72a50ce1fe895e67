"""Compacts the closed hours (or days) of tables.

python -m spark_jobs.compact_readings --table vital_readings --from 2026-01-31T10:00:00Z --to 2026-01-31T11:00:00Z
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from pyspark.sql import SparkSession

from clinical.tables import BREACHES, StoredTable
from infra.checkpoints import read_checkpoint
from infra.clients import hdfs, with_retries
from infra.errors import ConfigurationError, UnavailableError, WardError
from infra.locks import named_lock
from infra.log import configure_logging, get_logger
from infra.settings import Settings, load_settings
from infra.stream import EX_CONFIG, EX_TEMPFAIL
from spark_jobs.land_vitals import NAME as LANDING
from spark_jobs.landing.compaction import Compacted, Compactor
from spark_jobs.landing.readiness import require_servers, require_tables
from spark_jobs.landing.streams import STREAMS, LandingStream
from spark_jobs.session import spark_session

LOCK_SECONDS = 1800.0
"""How long a run waits for another one of the same table, as when several hours are backfilled at once."""

log = get_logger("compaction")


def compact(
    settings: Settings, tables: Mapping[StoredTable, str], start: datetime, end: datetime
) -> Iterator[tuple[StoredTable, list[Compacted]]]:
    """Compact the partitions of each table that ended in `(start, end]` (aware times), and remove old directories.

    An interval in which a day ends also has what landed in older partitions since: a device whose clock is slow, or
    that sends what it had stored, adds a small file to an old hour with each batch.

    One Spark session serves all tables; it starts with the first and is stopped at the end. `tables`: each with the
    directory of its landing query's checkpoint, which tells the batches that are finished.

    Raises UnavailableError when a server is away, SingleInstanceError when another compaction of the table goes on for
    too long.
    """
    with_retries(settings, lambda: require_servers(settings, []))
    spark = spark_session(settings, "compaction", "local[2]", short_lived=True)
    try:
        spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        spark.conf.set("spark.sql.shuffle.partitions", "2")
        require_tables(spark, tables)
        for table, checkpoint in tables.items():
            with named_lock(settings, f"wardwatch:compact:{table.name}", LOCK_SECONDS):
                yield table, _compact_table(settings, spark, table, (start, end), checkpoint)
    finally:
        spark.stop()


def _compact_table(
    settings: Settings, spark: SparkSession, table: StoredTable, interval: tuple[datetime, datetime], landing: str
) -> list[Compacted]:
    # Read before the files are listed: a batch that commits in between only waits for the next run.
    compactor = Compactor(settings, spark, table, read_checkpoint(hdfs(settings), landing))
    start, end = interval[0], min(interval[1], datetime.now(UTC))
    results = []
    for spec in closed_partitions(table, start, end):
        results.append(compactor.compact(spec))
        log.info("compacted", table=table.full_name, **spec, files=results[-1].files_before)
    for spec in older_partitions(table, start, end, settings.readings.max_age_days):
        if (done := compactor.compact(spec)).files_before:
            results.append(done)
            log.info("compacted again", table=table.full_name, **spec, files=done.files_before)
    removed = compactor.remove_retired(datetime.now(UTC))
    log.info("old directories removed", table=table.full_name, directories=len(removed))
    return results


def closed_partitions(table: StoredTable, start: datetime, end: datetime) -> Iterator[dict[str, str]]:
    """The partitions of a table that ended in `(start, end]`: hours of an hourly table, days of another."""
    step = timedelta(hours=1) if table.hourly else timedelta(days=1)
    begins = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if not table.hourly:
        begins = begins.replace(hour=0)
    while begins + step <= end:
        if begins + step > start:
            spec = {"event_date": f"{begins:%Y-%m-%d}"}
            yield spec | {"event_hour": str(begins.hour)} if table.hourly else spec
        begins += step


def older_partitions(table: StoredTable, start: datetime, end: datetime, days: int) -> Iterator[dict[str, str]]:
    """Those that ended up to `days` before an interval in which a day ends, in UTC; none before any other."""
    if any(closed_partitions(BREACHES, start, end)):
        # The last of them is older than a reading may be by a day, in which it may have landed.
        yield from closed_partitions(table, start - timedelta(days=days + 1), start)


def main(
    start: Annotated[str, typer.Option("--from", help="Start, ISO 8601; UTC unless it says so.")],
    end: Annotated[str, typer.Option("--to", help="End, not included.")],
    table: Annotated[
        list[str] | None,
        typer.Option(help="A table that landing writes; may be given again. Default: vital_readings."),
    ] = None,
) -> None:
    """Rewrite the closed hours of tables into few large files; an hour that has nothing new is left alone.

    Prints what was done as JSON, one line a table. Exit status: 0 done, 75 a server away (try again), 78 a wrong
    argument or setting.
    """
    configure_logging()
    try:
        settings, interval = load_settings(), (_time(start), _time(end))
        found = [_find(name) for name in table or ["vital_readings"]]
        tables = {one: settings.hdfs_path("checkpoints", LANDING, stream.checkpoint) for stream, one in found}
        for done, results in compact(settings, tables, *interval):
            print(json.dumps(_report(done, results)), flush=True)
    except UnavailableError as error:
        _end(error, EX_TEMPFAIL)
    except ConfigurationError as error:
        _end(error, EX_CONFIG)
    except WardError as error:
        _end(error, 1)


def _report(table: StoredTable, results: list[Compacted]) -> dict[str, object]:
    done = [{**r.spec, "rows": r.rows, "files_before": r.files_before, "files_after": r.files_after} for r in results]
    return {"table": table.name, "partitions": done}


def _find(name: str) -> tuple[LandingStream, StoredTable]:
    """The table of that name, and the stream that lands in it."""
    landed = {table.name: (stream, table) for stream in STREAMS for table in stream.tables}
    if name not in landed:
        raise ConfigurationError(f"{name} is not a table that landing writes: choose {', '.join(landed)}.")
    return landed[name]


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"{text} is not an ISO time such as 2026-01-31T10:00:00Z.") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _end(error: WardError, status: int) -> None:
    print(error, file=sys.stderr)
    raise typer.Exit(status) from error


if __name__ == "__main__":
    typer.run(main)
