"""Copies of the embedded databases: MySQL's as SQL, PostgreSQL's in its own format; and putting them back.

No password stands on a command line: MySQL knows us by our account on its socket, PostgreSQL reads a file of mode 600
that goes when the program ends.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from infra.clients import mysql_connection
from infra.errors import WardError
from infra.initialise import find_postgres, find_program
from infra.render import run_dir
from infra.settings import Settings

COPY_BYTES = 1024 * 1024
PACKET = "--max-allowed-packet=64M"
AIRFLOW = "airflow"
"""Database and superuser."""


def mysql_databases(settings: Settings) -> tuple[str, ...]:
    """The hospital's tables, also where readings and contacts are in databases of their own, the alarms, and Hive's
    metastore."""
    own = (table.partition(".")[0] for table in (settings.source.table, settings.contacts.table))
    return tuple(dict.fromkeys(("health", *own, settings.mysql.alerts_database, "metastore")))


def dump_mysql(settings: Settings, target: Path) -> None:
    """Write all databases of `mysql_databases` as of one moment, compressed; readers and writers go on meanwhile.

    Raises WardError with the server's reason; `target` is then incomplete.
    """
    options = ("--single-transaction", "--quick", "--routines", "--add-drop-database", "--hex-blob", PACKET)
    command = [find_program("mariadb-dump"), *_socket(settings), *options, "--databases", *mysql_databases(settings)]
    with gzip.open(target, "wb", compresslevel=1) as file, _running(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        shutil.copyfileobj(process.stdout, file, COPY_BYTES)


def load_mysql(settings: Settings, source: Path) -> None:
    """Replace the databases by those of a dump. Raises WardError; some are then replaced and some are not."""
    command = [find_program("mariadb"), *_socket(settings), PACKET]
    with gzip.open(source, "rb") as file, _running(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        shutil.copyfileobj(file, process.stdin, COPY_BYTES)
        process.stdin.close()


@contextmanager
def devices_kept_out(settings: Settings) -> Iterator[None]:
    """The bedside devices' account is locked, and has no connection, until the block has ended well.

    After a crash it stays locked: what was begun must be ended first.
    """
    account = f"'{settings.mysql.devices_user}'@'%'"
    with closing(mysql_connection(settings, "root", settings.secret("mysql_root_password"))) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER USER {account} ACCOUNT LOCK")
            cursor.execute(f"KILL HARD USER {settings.mysql.devices_user}")
        yield
        connection.ping(reconnect=True)
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER USER {account} ACCOUNT UNLOCK")


def dump_postgres(settings: Settings, target: Path) -> None:
    """Write Airflow's database. Raises WardError with the server's reason; `target` is then incomplete."""
    with _postgres(settings) as environment:
        options = ("--format=custom", f"--file={target}", "--no-password")
        with _running([find_postgres("pg_dump"), *_address(settings), *options, AIRFLOW], env=environment):
            pass


def load_postgres(settings: Settings, source: Path) -> None:
    """Replace Airflow's database by that of a dump, in one transaction; nobody may be connected to it."""
    with _postgres(settings) as environment:
        recreate = f"DROP DATABASE IF EXISTS {AIRFLOW}", f"CREATE DATABASE {AIRFLOW}"
        say = [part for statement in recreate for part in ("-c", statement)]
        psql = [find_postgres("psql"), *_address(settings), "--no-password", "--quiet", "-v", "ON_ERROR_STOP=1"]
        with _running([*psql, "-d", "postgres", *say], env=environment):
            pass
        options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-password", f"--dbname={AIRFLOW}")
        with _running([find_postgres("pg_restore"), *_address(settings), *options, str(source)], env=environment):
            pass


def _socket(settings: Settings) -> tuple[str, ...]:
    return "--no-defaults", f"--socket={run_dir(settings) / 'mariadb.sock'}"


def _address(settings: Settings) -> tuple[str, ...]:
    return "--host=127.0.0.1", f"--port={settings.ports.postgres}", f"--username={AIRFLOW}"


@contextmanager
def _postgres(settings: Settings) -> Iterator[dict[str, str]]:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(f"127.0.0.1:{settings.ports.postgres}:*:{AIRFLOW}:{settings.secret('postgres_password')}\n")
        file.flush()
        yield {**os.environ, "PGPASSFILE": file.name}


@contextmanager
def _running(
    command: list[str],
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    env: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A program while the block feeds or reads it. Raises WardError with what it complained of when it fails."""
    with tempfile.TemporaryFile() as complaints:
        with subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=complaints, env=env) as process:
            try:
                yield process
            except BrokenPipeError:
                pass  # The program has ended and says below why.
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            raise WardError(f"{Path(command[0]).name} failed: {_last_words(complaints)}")


def _last_words(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    lines = complaints.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it gave no reason"
