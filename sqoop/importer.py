"""The import of contacts: MySQL -> Sqoop -> staging on HDFS -> merge -> new snapshot, in force in Hive.

One at a time, by a named lock. An import is always of what is in MySQL now: it has no interval, and a run for the past
moves neither the mark nor the location back. A failure at any step leaves the last good snapshot in force; what it left
in staging is removed at once or, after a crash, by the next import.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import IO, Any

from infra.clients import reader_connection
from infra.locks import named_lock
from infra.log import get_logger
from infra.settings import Settings
from sqoop import plan
from sqoop.command import sqoop_run
from sqoop.location import location_in_hive
from sqoop.plan import Kind
from sqoop.snapshots import Snapshots
from sqoop.source import ContactsTable, find_contacts_table
from sqoop.steps import Context, Pass, Progress, count, run_pass

PATIENTS_TABLE = "health.patients"
LOCK = "wardwatch:contacts-import"
LOCK_WAIT_SECONDS = 900.0
LOG_FILE = "contacts-import.log"
UNCHANGED = "unchanged"
"""Kind of an import that found, without reading any row, that there is nothing to read."""

log = get_logger("contacts-import")


@dataclass(frozen=True)
class ImportResult:
    """What an import did. `rows_read`: rows that Sqoop brought; `rows`: patients in the snapshot now in force.

    `written` is False when nothing had changed: version and location stayed. `by_another` is True when an import that
    began after ours was asked for did the work while we waited. `unreadable`: column -> values that became NULL
    because they cannot be read as the column's type.
    """

    version: str
    kind: str
    rows_read: int
    rows: int
    new: int
    changed: int
    deleted: int
    written: bool
    seconds: float
    by_another: bool = False
    unreadable: dict[str, int] = field(default_factory=dict)

    def sentence(self) -> str:
        """The result in words."""
        found = f"{self.new:,} new, {self.changed:,} changed, {self.deleted:,} deleted"
        read = "Nothing changed" if self.kind == UNCHANGED else f"{self.rows_read:,} rows read ({self.kind}): {found}"
        state = f"snapshot {self.version} with {self.rows:,} patients is in force{'' if self.written else ' as before'}"
        how = "done by another import meanwhile" if self.by_another else f"{self.seconds:.1f} s"
        return f"{read}; {state}; {how}."


def import_contacts(
    settings: Settings,
    full: bool = False,
    reason: str = "manual",
    table: str = PATIENTS_TABLE,
    progress: Progress = lambda _step: None,
) -> ImportResult:
    """Bring the Hive table up to date with the contacts in MySQL; `full` reads every row.

    `reason` goes to the log and the manifest. Waits for an import that is running; when one that began after this call
    has finished by then, its result is returned.

    Raises ConfigurationError (source table, column or id wrong; Hive table missing), UnavailableError (MySQL, HDFS or
    HiveServer2), SingleInstanceError (the running import took too long), WardError (Sqoop or Hive failed). In each case
    the last good snapshot stays in force, but where MySQL was lost after the switch: then it is the new one.
    """
    asked_at = datetime.now(UTC)
    progress("waiting for the lock")
    with named_lock(settings, LOCK, LOCK_WAIT_SECONDS):
        snapshots = Snapshots(settings, table)
        done = _done_meanwhile(snapshots, asked_at, full)
        if done is not None:
            return done
        started = datetime.now(UTC)
        source = _check(settings, snapshots, progress)
        in_force = location_in_hive(settings, table)
        version, last = _newest(snapshots)
        kind = plan.choose(source, last, started, full)
        if kind is Kind.DELTA and last is not None and version is not None:
            progress("looking for changes")
            there = in_force == settings.default_fs + snapshots.path(version)
            if there and _nothing_to_do(settings, source, last):
                return _unchanged(snapshots, version, last, started)
        with sqoop_run(settings) as files, _output(settings) as output:
            context = Context(settings, table, reason, snapshots, source, files, output, progress)
            result = _run(context, kind, started)
        removed = snapshots.remove_old(datetime.now(UTC))
    log.info("imported", reason=reason, removed=removed, **asdict(result))
    return result


def _unchanged(snapshots: Snapshots, version: str, last: dict[str, Any], started: datetime) -> ImportResult:
    """Note that we looked and found nothing to do."""
    result = ImportResult(version, UNCHANGED, 0, last["rows"], 0, 0, 0, written=False, seconds=_seconds_since(started))
    looked = {"kind": UNCHANGED, "started_at": started.isoformat(), "result": asdict(result)}
    snapshots.write_manifest(version, {**last, **looked})
    return result


def _seconds_since(started: datetime) -> float:
    return round((datetime.now(UTC) - started).total_seconds(), 1)


def _done_meanwhile(snapshots: Snapshots, asked_at: datetime, full: bool) -> ImportResult | None:
    _version, last = _newest(snapshots)
    if last is None or "result" not in last or not plan.began_meanwhile(last, asked_at, datetime.now(UTC)):
        return None
    if full and last["kind"] != Kind.FULL:
        return None
    return ImportResult(**{**last["result"], "by_another": True})


def _check(settings: Settings, snapshots: Snapshots, progress: Progress) -> ContactsTable:
    """Check that everything is there before anything is started, and remove what a crashed import left."""
    progress("checking the servers")
    snapshots.create_directories()
    snapshots.clean()
    with closing(reader_connection(settings)) as connection:
        return find_contacts_table(settings, connection)


def _run(context: Context, first: Kind, started: datetime) -> ImportResult:
    """Pass after pass, each more thorough, until the snapshot agrees with the source: one, as a rule."""
    kind: Kind | None = first
    total: ImportResult | None = None
    while kind is not None:
        log.info("importing", kind=kind, reason=context.reason)
        done = run_pass(context, kind)
        total = replace(_add(total, done, kind), seconds=_seconds_since(started))
        kind = done.follow_up
        # Written after each pass: also an import that found nothing new has looked, and moves the mark on. One that
        # must go on has no result yet, so that none that fails in between is taken for finished.
        result = {} if kind is not None else {"result": asdict(total)}
        context.snapshots.write_manifest(done.version, {**done.manifest, **result})
    assert total is not None
    if total.unreadable:
        log.warning("values that cannot be read became NULL", columns=total.unreadable)
    return total


def _newest(snapshots: Snapshots) -> tuple[str | None, dict[str, Any] | None]:
    """Version and manifest of the newest snapshot, each None where there is none."""
    version = next(reversed(snapshots.versions()), None)
    return version, snapshots.manifest(version) if version is not None else None


def _nothing_to_do(settings: Settings, source: ContactsTable, last: dict[str, Any]) -> bool:
    """Whether the last import finished and the source is as it saw it.

    Spares the frequent schedule the start of Sqoop; a few milliseconds in MySQL answer the question.
    """
    if "result" not in last:
        return False
    since = source.since(last["mark"], settings.contacts.overlap_seconds)
    counts = count(settings, source, since)
    return source.clock(counts.at) >= last["mark"] and plan.unchanged(last, since, counts)


def _add(result: ImportResult | None, done: Pass, kind: Kind) -> ImportResult:
    changes = done.merged.changes
    return ImportResult(
        version=done.version,
        kind=kind,
        rows_read=done.rows_read + (result.rows_read if result else 0),
        rows=changes.rows,
        new=changes.new + (result.new if result else 0),
        changed=changes.changed + (result.changed if result else 0),
        deleted=changes.deleted + (result.deleted if result else 0),
        written=done.written or (result is not None and result.written),
        seconds=0,
        unreadable=done.merged.unreadable,
    )


@contextmanager
def _output(settings: Settings) -> Iterator[IO[bytes]]:
    """The file for what Sqoop says: of the last import only, and for our own account only."""
    settings.log_dir.mkdir(parents=True, exist_ok=True)
    with open(settings.log_dir / LOG_FILE, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        yield file
