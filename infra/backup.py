"""`./ward backup` and `./ward restore`: what is not on HDFS and cannot be had again.

A backup is a directory with one file for each server that keeps something, and `manifest.json`, which lists them with
their checksums and is written last. It holds patients' contacts, so only its owner may look into it. The streams go on
while it is made; each file is of one moment, and the moments differ by the time that the copying takes.

A restore stops everything, puts back what the backup holds, brings what follows from HDFS and Kafka into line with
that (see `RECONCILED_BY`), and starts everything. It can be done again: until one has ended, a mark keeps `./ward up`
from starting on a half of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from rich.console import Console

from infra import databases, initialise, lifecycle, preflight, supervise
from infra.errors import ConfigurationError, WardError
from infra.servers import all_of
from infra.settings import Settings

FORMAT = 1
MANIFEST = "manifest.json"
PARTIAL = ".partial"
MARK = "restore.unfinished"
RECONCILED_BY = (
    ("metastore", "hive.bootstrap:bootstrap"),
    ("metastore", "spark_jobs.landing.rebuild:rebuild"),
    ("mariadb", "producers.restored:reconcile"),
    ("mariadb", "alerts.restored:reconcile"),
)
"""An embedded server, and the function of `settings` that brings it, restored, into line with HDFS and Kafka."""

Copy = Callable[[Settings, Path], None]


class Part(NamedTuple):
    """One file of a backup, and the embedded server that it is of."""

    file: str
    what: str
    server: str
    save: Copy
    load: Copy


def _room(name: str) -> Callable[..., Any]:
    """A function of another room, `module:function`, imported when it is called."""
    module, function = name.split(":")

    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(importlib.import_module(module), function)(*arguments, **named)

    return call


PARTS = (
    Part(
        "mysql.sql.gz", "patients, readings, alarms, metastore", "mariadb", databases.dump_mysql, databases.load_mysql
    ),
    Part("airflow.dump", "Airflow's runs", "postgres", databases.dump_postgres, databases.load_postgres),
    Part("thresholds.json", "thresholds", "hbase-thrift", _room("hbase.backup:save"), _room("hbase.backup:load")),
)


class Listed(NamedTuple):
    """A file as the manifest lists it."""

    bytes: int
    sha256: str


def parts_of(settings: Settings) -> list[Part]:
    """Those whose server is embedded; a server elsewhere (RDS, a cluster's HBase) has backups of its own."""
    embedded = {server.name for server in all_of(settings)}
    return [part for part in PARTS if part.server in embedded]


def default_directory(settings: Settings) -> Path:
    """A new name below the tools' directory, not below the state, with which it would be lost."""
    return settings.tools_dir / "backups" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def save(settings: Settings, directory: Path, console: Console) -> None:
    """Make a backup. Under its name it is whole: until then it is `directory` with `.partial` after it.

    Raises ConfigurationError when the directory is there already, WardError when a server does not run or does not give
    its data, when the disk does not take it, or when a restore was interrupted; nothing is left behind then. What one
    that was killed has left goes with the next beside it.
    """
    require_finished(settings)
    if directory.exists():
        raise ConfigurationError(f"{directory} is there already: name a new directory.")
    if down := [part.server for part in parts_of(settings) if not _runs(settings, part.server)]:
        raise WardError(f"Not running: {', '.join(down)}. Start the stack with `./ward up`, then make the backup.")
    partial = directory.with_name(f"{directory.name}{PARTIAL}")
    try:
        _remove_abandoned(directory.parent)
        partial.mkdir(parents=True, mode=0o700)
        with _held(partial), _removed_on_error(partial):
            _fill(settings, partial, console)
            partial.rename(directory)
    except FileExistsError as error:
        raise WardError(f"{directory} is being made by another `./ward backup`: name a new directory.") from error
    except OSError as error:
        raise WardError(f"{directory} cannot be written: {error.strerror or error}.") from error


def _remove_abandoned(beside: Path) -> None:
    """Remove what backups that were killed have left: patients' contacts that nobody would look for."""
    files = {part.file for part in PARTS} | {MANIFEST}
    for left in beside.glob(f"*{PARTIAL}"):
        if left.is_dir() and {path.name for path in left.iterdir()} <= files:
            with suppress(BlockingIOError), _held(left):
                shutil.rmtree(left)


@contextmanager
def _held(partial: Path) -> Iterator[None]:
    """A backup in the making is held by its process, whose end lets go of it. Raises BlockingIOError when it is."""
    held = os.open(partial, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(held)


@contextmanager
def _removed_on_error(partial: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _fill(settings: Settings, partial: Path, console: Console) -> None:
    files = {}
    for part in parts_of(settings):
        path = partial / part.file
        path.touch(0o600)
        with console.status(f"copying {part.what} …"):
            part.save(settings, path)
        files[part.file] = _listed(path)
        console.print(f"[green]✓[/] {part.file:<16} {files[part.file].bytes:>13,} bytes  {part.what}")
    manifest = {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {name: listed._asdict() for name, listed in files.items()},
    }
    (partial / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))


def _runs(settings: Settings, server: str) -> bool:
    found = supervise.processes(settings).get(server)
    return found is not None and found.running


def check(settings: Settings, directory: Path) -> datetime:
    """When the backup was made. Raises ConfigurationError naming what is missing, damaged or of another format."""
    try:
        manifest = orjson.loads((directory / MANIFEST).read_bytes())
        files = {name: Listed(**listed) for name, listed in manifest["files"].items()}
        made_at, made_as = datetime.fromisoformat(manifest["made_at"]), manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{directory} is no backup: its {MANIFEST} cannot be read ({error}).") from error
    if made_as != FORMAT:
        raise ConfigurationError(
            f"{directory} has the format {made_as} and this version reads {FORMAT}: restore it with the version of "
            "Wardwatch that made it."
        )
    for part in parts_of(settings):
        path = directory / part.file
        if part.file not in files or not path.is_file():
            raise ConfigurationError(f"{directory} has no {part.file} ({part.what}): nothing was changed.")
        if _listed(path) != files[part.file]:
            raise ConfigurationError(
                f"{path} is not what the backup wrote (its size or checksum differs): nothing was changed. "
                "Take another copy of it, or another backup."
            )
    return made_at


def restore(settings: Settings, directory: Path, console: Console) -> None:
    """Stop everything, put the backup back, start everything. The backup is checked first.

    Raises WardError naming the step that failed; doing it again goes through all of it again.
    """
    check(settings, directory)
    parts, embedded = parts_of(settings), {server.name for server in all_of(settings)}
    with lifecycle.only_one(settings, "`./ward restore`", "restore"):
        preflight.check_disk(settings)  # what is stopped now has to start again
        lifecycle.down(settings, console)
        lifecycle.up(settings, [part.server for part in parts], console)
        with _marked(settings, directory):
            with _writers_kept_out(settings):
                for part in parts:
                    with console.status(f"putting back {part.what} …"):
                        part.load(settings, directory / part.file)
                    console.print(f"[green]✓[/] {part.what} put back")
                # The dump brought the metastore's tables, which its first start must not make anew, and Airflow's,
                # which may be those of an older Airflow.
                initialise.once(settings, "metastore", lambda: None)
                initialise.forget(settings, "airflow")
                if needed := sorted({"hiveserver2", "kafka"} & embedded):
                    lifecycle.up(settings, needed, console)
                with console.status("bringing it into line with HDFS and Kafka …"):
                    for server, reconcile in RECONCILED_BY:
                        if server in embedded:
                            _room(reconcile)(settings)
            with console.status("importing the contacts anew …"):
                # What the restore took back is older than the mark of the last import, and only a full one sees it.
                _room("sqoop.importer:import_contacts")(settings, full=True, reason="restore")
            console.print("[green]✓[/] brought into line with HDFS and Kafka, contacts imported anew")
    lifecycle.up(settings, [], console)


def _writers_kept_out(settings: Settings) -> AbstractContextManager[None]:
    """A row that is written before ids go on above those that were read would never be read."""
    embedded = "mariadb" in {server.name for server in all_of(settings)}
    return databases.devices_kept_out(settings) if embedded else nullcontext()


def require_finished(settings: Settings) -> None:
    """Raise WardError when a restore was interrupted, naming what to do."""
    mark = settings.state_dir / MARK
    if mark.exists():
        raise WardError(f"A restore was interrupted. End it first: ./ward restore {mark.read_text()}")


@contextmanager
def _marked(settings: Settings, directory: Path) -> Iterator[None]:
    """The mark stays unless the block ends well."""
    mark = settings.state_dir / MARK
    mark.write_text(str(directory.resolve()))
    yield
    mark.unlink()


def _listed(path: Path) -> Listed:
    with path.open("rb") as file:
        return Listed(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
