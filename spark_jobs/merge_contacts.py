"""The Spark step of the contacts import: last snapshot + what Sqoop brought -> next snapshot, then in force.

Run as `python -m spark_jobs.merge_contacts` with a request (see `MergeRequest`) as JSON on standard input; the answer
is one line of JSON on standard output: a `MergeAnswer`, or `{"error": sentence, "kind": class}` and exit status 1.

The snapshot is written under a temporary name, renamed when whole, and only then does the table's location move, in one
step of the metastore. A crash at any point leaves the old snapshot in force; after the rename the next import completes
what is missing. The location never moves to an older version.
"""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from infra.clients import hdfs
from infra.errors import ConfigurationError, WardError
from infra.settings import Settings
from spark_jobs.session import spark_session
from spark_jobs.transforms import contacts

ROWS_PER_FILE = 500_000
VERSION = re.compile(r"\d{8}T\d{9}Z")


@dataclass(frozen=True)
class MergeRequest:
    """What to merge. Paths are on HDFS, without the file system's name.

    `rows` holds the `expected_rows` rows that Sqoop brought, `keys` the ids of all rows with their `updated_at` (or
    None: no look for deletions), `base` the last snapshot (None: `rows` is everything). The result is written to
    `temporary`, then renamed to `target`. `time_zones`: see `transforms.contacts.typed`. `mark_limit`: no mark may lie
    beyond this text. `manifest` is completed and laid into the snapshot as `manifest_name`.
    """

    settings: Settings
    table: str
    rows: str
    keys: str | None
    base: str | None
    full: bool
    expected_rows: int
    temporary: str
    target: str
    time_zones: dict[str, str]
    previous_mark: str
    mark_limit: str
    manifest_name: str
    manifest: dict[str, Any]

    @classmethod
    def from_json(cls, text: bytes) -> MergeRequest:
        fields = orjson.loads(text)
        return cls(**{**fields, "settings": Settings(**fields["settings"])})


@dataclass(frozen=True)
class MergeAnswer:
    """What came of it. `written`: there is a new snapshot; `switched`: the location was moved.

    `rows`, `new`, `changed`, `deleted` and `mark` describe the snapshot now in force. `stale` and `unreadable` (column
    -> values that became NULL) are about the rows just read.
    """

    rows: int
    new: int
    changed: int
    deleted: int
    mark: str
    stale: int
    written: bool
    switched: bool
    unreadable: dict[str, int] = field(default_factory=dict)


def merge(spark: SparkSession, request: MergeRequest) -> MergeAnswer:
    """Make the next snapshot and put it in force; write nothing when nothing changed.

    Raises ConfigurationError when ids are not unique or the Hive table is missing, WardError when rows got lost on the
    way or a newer snapshot is in force already.
    """
    in_force = _location(spark, request)
    raw = spark.read.schema(contacts.RAW_SCHEMA).parquet(_uri(request, request.rows)).cache()
    arrival = contacts.arrival(raw)
    _check(raw, arrival, request)
    delta = contacts.typed(raw, request.time_zones)
    base = delta.limit(0)
    if request.base is not None:
        base = spark.read.schema(contacts.SCHEMA).parquet(_uri(request, request.base))
    merged, stale = _merged(spark, request, base, delta)
    merged = merged.cache()
    changes = contacts.changes(base, merged)
    written = bool(changes) or request.base is None
    # No mark ahead of the source's clock: one row with a time in the future would hide all changes until then.
    mark = min(max(arrival.latest or "", request.previous_mark), request.mark_limit)
    if written:
        _write(merged, request, {**request.manifest, **asdict(changes), "mark": mark})
    location = _uri(request, request.target if written or request.base is None else request.base)
    switched = _put_in_force(spark, request, in_force, location)
    return MergeAnswer(
        **asdict(changes), mark=mark, stale=stale, written=written, switched=switched, unreadable=arrival.unreadable
    )


def _location(spark: SparkSession, request: MergeRequest) -> str:
    """Where the table points now."""
    try:
        described = spark.sql(f"DESCRIBE TABLE EXTENDED {request.table}").where("col_name = 'Location'").collect()
    except AnalysisException as error:
        if error.getCondition() not in ("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND"):
            raise
        raise ConfigurationError(f"The Hive table {request.table} is missing: `./ward up` creates it.") from error
    return str(described[0]["data_type"]).rstrip("/")


def _check(raw: DataFrame, arrival: contacts.Arrival, request: MergeRequest) -> None:
    """Raise unless every row arrived, each id once."""
    if arrival.rows != request.expected_rows:
        raise WardError(
            f"Spark reads {arrival.rows} of the {request.expected_rows} rows that Sqoop wrote to {request.rows}."
        )
    if arrival.ids != arrival.rows:
        example = contacts.repeated_ids(raw).limit(1).collect()[0][contacts.KEY]
        source = request.settings.contacts
        raise ConfigurationError(
            f"Column {source.columns[contacts.KEY]} of {source.table} is not unique ({example!r} occurs more than "
            "once): a patient needs one row. Put the table or contacts.columns right."
        )


def _merged(spark: SparkSession, request: MergeRequest, base: DataFrame, delta: DataFrame) -> tuple[DataFrame, int]:
    """The rows of the next snapshot, and how many of them are known to be stale."""
    if request.full:
        return delta, 0
    merged = contacts.with_delta(base, delta)
    if request.keys is None:
        return merged, 0
    read = spark.read.schema(contacts.RAW_SCHEMA).parquet(_uri(request, request.keys))
    keys = contacts.typed(read, request.time_zones).select(contacts.KEY, "updated_at").cache()
    merged = contacts.without_deleted(merged, delta, keys)
    return merged, contacts.stale(merged, keys).count()


def _uri(request: MergeRequest, path: str) -> str:
    return request.settings.default_fs + path


def _write(merged: DataFrame, request: MergeRequest, manifest: dict[str, Any]) -> None:
    files = hdfs(request.settings)
    parts = merged.repartition(1 + manifest["rows"] // ROWS_PER_FILE)
    parts.write.mode("overwrite").parquet(_uri(request, request.temporary))
    files.pipe_file(f"{request.temporary}/{request.manifest_name}", orjson.dumps(manifest))
    files.mv(request.temporary, request.target)
    if not files.exists(request.target) or files.exists(request.temporary):
        # WebHDFS answers 200 to a rename that it did not do.
        raise WardError(f"HDFS did not rename {request.temporary} to {request.target}.")


def _put_in_force(spark: SparkSession, request: MergeRequest, in_force: str, location: str) -> bool:
    """Point the table from `in_force` to `location`, unless it does already; True when it moved."""
    if in_force == location:
        return False
    older, newer = in_force.rsplit("/", 1)[-1], location.rsplit("/", 1)[-1]
    if VERSION.fullmatch(older) and older > newer:
        raise WardError(f"Snapshot {older} of {request.table} is in force already and newer than {newer}.")
    spark.sql(f"ALTER TABLE {request.table} SET LOCATION '{location}'")
    return True


def main() -> int:
    """Answer the request on standard input; returns the exit status."""
    try:
        request = MergeRequest.from_json(sys.stdin.buffer.read())
        spark = spark_session(request.settings, "merge-contacts", "local[2]")
        answer = asdict(merge(spark, request))
    except WardError as error:
        print(orjson.dumps({"error": str(error), "kind": type(error).__name__}).decode())
        return 1
    print(orjson.dumps(answer).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
