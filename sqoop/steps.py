"""One pass of an import: fetch with Sqoop, check the count, merge, and put the snapshot in force."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

import pyarrow as pa

from infra.clients import reader_connection
from infra.errors import WardError
from infra.log import get_logger
from infra.settings import Settings
from sqoop import plan
from sqoop.command import SqoopRun, run_sqoop
from sqoop.location import put_in_force
from sqoop.merge import Merged, merge
from sqoop.plan import Completeness, Kind
from sqoop.snapshots import Snapshots, next_version
from sqoop.source import KEY, MARK, ContactsTable, Counts, server_time

ATTEMPTS = 3
"""How often Sqoop may bring another number of rows than MySQL counted before that is an error."""

Progress = Callable[[str], None]
log = get_logger("contacts-import")


@dataclass(frozen=True)
class Context:
    """What every pass of one import needs."""

    settings: Settings
    table: str
    reason: str
    snapshots: Snapshots
    source: ContactsTable
    files: SqoopRun
    output: IO[bytes]
    progress: Progress


@dataclass(frozen=True)
class Fetched:
    """Rows that Sqoop brought, and the counts in MySQL just before and after."""

    rows: pa.Table
    before: Counts
    after: Counts


@dataclass(frozen=True)
class Pass:
    """A finished pass: the snapshot in force, its manifest, what came of the merge, and what must follow at once.

    `written`: there is a new snapshot.
    """

    version: str
    manifest: dict[str, Any]
    rows_read: int
    merged: Merged
    written: bool
    follow_up: Kind | None


def run_pass(context: Context, kind: Kind) -> Pass:
    """Fetch and merge once. Staging is empty again afterwards, however it ends.

    The snapshot is written under a temporary name, renamed when whole, and only then does the table's location move. A
    crash before the rename leaves everything as it was; after it, the next import moves the location. Nothing is
    written when nothing changed.

    The keys are read before the rows: a row that is in the rows but not in the keys was added in between, and a row
    deleted in between goes next time. Raises what `import_contacts` raises.
    """
    snapshots, source = context.snapshots, context.source
    started_at = datetime.now(UTC)
    base = next(reversed(snapshots.versions()), None)
    last = snapshots.manifest(base) if base is not None else None
    held = _read_ahead(context, base)
    try:
        keys = fetch(context, (KEY, MARK), None, "keys") if kind is Kind.DELTA_AND_KEYS else None
        # No mark ahead of the source's clock, which may have been set back: what changes now would lie before it.
        mark = "" if kind is Kind.FULL or last is None else min(str(last["mark"]), source.clock(_clock(context)))
        since = source.since(mark, context.settings.contacts.overlap_seconds) if mark else None
        fetched = fetch(context, tuple(source.columns), since, "rows")
    finally:
        snapshots.clean()
    context.progress("merging")
    merged = merge(
        fetched.rows,
        keys.rows if keys is not None else None,
        held.result() if held is not None else None,
        kind is Kind.FULL,
        source.time_zones,
    )
    follow_up = plan.escalate(kind, Completeness(merged.changes.rows, merged.stale), fetched.before, fetched.after)
    # What is found wrong counts as checked when it is put right: should that fail, the next import looks again.
    is_checked = kind is not Kind.DELTA and follow_up is None
    checked_at = started_at.isoformat() if is_checked or last is None else last["keys_checked_at"]
    manifest = {
        "kind": kind,
        "reason": context.reason,
        "started_at": started_at.isoformat(),
        "keys_checked_at": checked_at,
        "fingerprint": plan.fingerprint(source),
        "seen": plan.seen(since, fetched.before, fetched.after),
        # No mark ahead of the source's clock: one row with a time in the future would hide all changes until then.
        "mark": min(max(merged.latest or "", mark), source.clock(fetched.before.at)),
        "rows": merged.changes.rows,
    }
    if base is not None and not merged.changes:
        version, written = base, False
    else:
        version, written = next_version(started_at, base), True
        snapshots.add(version, merged.rows, manifest)
    put_in_force(context.settings, context.table, context.settings.default_fs + snapshots.path(version))
    rows_read = fetched.rows.num_rows + (keys.rows.num_rows if keys is not None else 0)
    return Pass(version, manifest, rows_read, merged, written, follow_up)


def _clock(context: Context) -> datetime:
    with closing(reader_connection(context.settings)) as connection, connection.cursor() as cursor:
        return server_time(cursor)


def _read_ahead(context: Context, version: str | None) -> Future[pa.Table] | None:
    """The rows of a snapshot, read while Sqoop works; None: there is none."""
    if version is None:
        return None
    # A client of its own: one connection is not for two threads.
    snapshots = Snapshots(context.settings, context.table)
    reader = ThreadPoolExecutor(1, thread_name_prefix="snapshot")
    try:
        return reader.submit(lambda: snapshots.read(snapshots.path(version)))
    finally:
        reader.shutdown(wait=False)


def fetch(context: Context, columns: Sequence[str], since: str | None, name: str) -> Fetched:
    """Bring the rows to a fresh directory of staging and check their number against MySQL's.

    Sqoop's exit status alone proves nothing, so the rows in the files are counted. While the table is being written to,
    the counts before and after may differ, and any number between them is right. Otherwise it is done again.

    Raises WardError when the number is still wrong after some attempts.
    """
    source, snapshots = context.source, context.snapshots
    query = source.query(columns, since)
    for attempt in range(1, ATTEMPTS + 1):
        context.progress(f"reading {name} with Sqoop" + (f", attempt {attempt}" if attempt > 1 else ""))
        # Kite, which writes Parquet for Sqoop, takes letters, digits and underscores only.
        path = f"{snapshots.staging}/{name}_{attempt}"
        before = count(context.settings, source, since)
        run_sqoop(context.settings, context.files, query, columns, context.settings.default_fs + path, context.output)
        after = count(context.settings, source, since)
        rows = snapshots.read(path)
        if plan.between(rows.num_rows, before.matching, after.matching):
            return Fetched(rows, before, after)
        log.warning("count differs", what=name, rows=rows.num_rows, before=before.matching, after=after.matching)
    raise WardError(
        f"Sqoop brought {rows.num_rows} rows of {source.table} where MySQL counts {after.matching}, {ATTEMPTS} times "
        f"over: the import was given up, the last snapshot stays in force. See {context.output.name}."
    )


def count(settings: Settings, source: ContactsTable, since: str | None) -> Counts:
    """Count the rows in MySQL now."""
    # A connection of its own: one kept open during a long import may be closed by the server.
    with closing(reader_connection(settings)) as connection:
        return source.count(connection, since)
